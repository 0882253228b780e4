"""Where the milliseconds of a frame go: what is measured while playing, and what is made of it."""
