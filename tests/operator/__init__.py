"""The real daemon, one file a gesture."""
