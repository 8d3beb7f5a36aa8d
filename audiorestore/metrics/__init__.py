"""The numbers that compare two recordings: each file here is one metric, or one idea with several."""

from collections.abc import Sequence

from ..registry import Registry

METRICS = Registry("audiorestore.metrics", "metric")


def chosen(names: Sequence[str] | None = None) -> list[str]:
    """Say which metrics are to be measured: those named, or all that nobody has to ask for.

    >>> "mse" in chosen(), chosen(["mse", "snr", "mse"])
    (True, ['mse', 'snr'])
    """
    if names is not None:
        return list(dict.fromkeys(names))
    return [name for name in METRICS.names() if not getattr(METRICS.load(name), "ON_REQUEST", False)]
