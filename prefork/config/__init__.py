"""The configuration: its models, what an edit costs, and how a file becomes one."""
