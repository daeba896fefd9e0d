"""What runs in a worker, after the fork: boot, the application, the loops."""
