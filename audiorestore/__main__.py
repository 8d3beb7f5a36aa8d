"""``python -m audiorestore`` is the same as ``ar``."""

from .cli import main

if __name__ == "__main__":
    main()
