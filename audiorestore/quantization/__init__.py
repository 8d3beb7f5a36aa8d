"""Weights in 8 bits for any torch module: a quarter of the size, and on many CPUs faster."""
