"""Restore damaged and compressed audio with machine learning: composable commands from data to metrics."""

__version__ = "0.1.0"
