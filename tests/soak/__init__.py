"""A service that is played with at random for as long as one likes: PREFORK_SOAK_SECONDS."""
