"""What an operator does while clients are served: a file for each gesture, and nobody notices any of them."""
