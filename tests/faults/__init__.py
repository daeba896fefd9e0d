"""What a machine does to a daemon: no room, no processes, no descriptors, stopped clocks and stopped processes."""
