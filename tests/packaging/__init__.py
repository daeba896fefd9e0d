"""The packages, built, inspected, and run under a real systemd, in machines that are booted from Debian's own packages."""
