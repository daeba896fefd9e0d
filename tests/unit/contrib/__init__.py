"""What contrib holds."""
