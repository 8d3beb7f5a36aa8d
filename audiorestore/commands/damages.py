"""``ar damages``: the ways to degrade audio, and their parameters."""

from ..errors import ExitStatus
from ._signals import shell_command
from ._speech import show


@shell_command
def damages() -> ExitStatus:
    """List each damage with its parameters, units, ranges and source.

    \b
    Example:
      ar damages | less
    """
    from ..report.damages import damage_listing

    show(damage_listing())
    return ExitStatus.DONE
