"""HTTP without I/O: bytes to events and events to bytes, shared by every kind of worker. All pure."""
