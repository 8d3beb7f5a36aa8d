"""Restoring recordings with any model."""
