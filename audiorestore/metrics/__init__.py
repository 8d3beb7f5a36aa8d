"""The numbers that compare two recordings: each file here is one metric, or one idea with several."""

from collections.abc import Sequence

from ..registry import Registry

METRICS = Registry("audiorestore.metrics", "metric")
ALL = "all"  # as a name: every metric that is installed


def chosen(names: Sequence[str] | None = None) -> list[str]:
    """List the metrics to measure: the named ones, or by default all but those on request; ``all`` is all of them.

    >>> "mse" in chosen(), chosen(["mse", "snr", "mse"]), set(chosen()) <= set(chosen(["all"]))
    (True, ['mse', 'snr'], True)
    """
    if names is None:
        return [name for name in METRICS.names() if not getattr(METRICS.load(name), "ON_REQUEST", False)]
    if ALL in names:
        return [name for name in METRICS.names() if not missing(name)]
    return list(dict.fromkeys(names))


def missing(name: str) -> str:
    """Say what has to be installed before a metric can be measured; empty if nothing is missing."""
    ask = getattr(METRICS.load(name), "missing", None)
    return str(ask()) if ask else ""
