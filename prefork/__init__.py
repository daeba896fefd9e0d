"""A pre-forking application server for Python, run as a Unix daemon from one TOML file."""

__version__ = "0.1.0"
