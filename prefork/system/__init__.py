"""The operating system, one concept a file: sockets, processes, signals, files, privileges."""
