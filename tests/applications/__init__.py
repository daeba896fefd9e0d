"""Real applications from PyPI's frameworks, served by the real daemon and driven by a real client."""
