"""Training any family: the loop, and a run on the disk."""
