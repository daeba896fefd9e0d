"""What only real processes show: forks, signals, locks, identities."""
