"""What the processes say of themselves: logs, access records, and the files they go to."""
