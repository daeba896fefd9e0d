"""A worker as an attacker: arbitrary Python as the workers' user, under a master that is root."""
