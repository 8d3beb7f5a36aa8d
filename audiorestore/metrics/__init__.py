"""The numbers that compare two waveforms: each file here is one metric, or one idea with several."""

from ..registry import Registry

METRICS = Registry("audiorestore.metrics", "metric")
