"""Aligning degraded audio to its reference, checking pairs, and assigning them to splits."""
