"""The operating system's corner, without forking."""
