"""Training: recordings, moments and losses, and the loops that learn from them."""
