"""``ar metrics``: what can be measured, and its limits."""

from ..errors import ExitStatus
from ._signals import shell_command
from ._speech import show


@shell_command
def metrics() -> ExitStatus:
    """List each metric with its numbers, units, limits and source.

    \b
    Example:
      ar metrics | less
    """
    from ..report.metrics import metrics_table

    show(metrics_table())
    return ExitStatus.DONE
