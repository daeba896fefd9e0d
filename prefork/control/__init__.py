"""The control socket, and ``preforkctl`` which talks to it."""
