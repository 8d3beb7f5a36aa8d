"""Where ``ar`` starts: calls that are meant for the archiver of that name go on to it, all others to the command line.

``python -m audiorestore`` is the same as ``audiorestore``, which is never taken for an archiver.
"""

import sys

from .archiver import hand_over


def main() -> None:
    """Run the command line, unless another ``ar`` is meant."""
    hand_over(sys.argv)
    from .cli import main as command_line  # late: the archiver waits for nothing of ours

    command_line()


if __name__ == "__main__":
    main()
