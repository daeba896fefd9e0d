"""A Django project: a guest book with forms and sessions, uploads, downloads and streams."""
