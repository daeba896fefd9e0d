"""The cases, a module a subject, each with a tuple CASES."""
