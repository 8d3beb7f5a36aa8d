"""The entry point of ``ar``: calls meant for the archiver of that name are passed on, all others are ours.

``python -m audiorestore`` is the same as ``audiorestore``, which is never taken for an archiver.
"""

import sys

from .archiver import hand_over


def main() -> None:
    """Run the command line, unless another ``ar`` is meant."""
    hand_over(sys.argv)
    from .cli import main as command_line  # late, so that the archiver starts at once

    command_line()


if __name__ == "__main__":
    main()
