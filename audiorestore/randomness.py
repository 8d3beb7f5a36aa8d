"""One seed in, a named generator out: what is drawn depends on names, never on order, jobs or sharding."""

import hashlib

import numpy as np


def seed_for(seed: int, *names: str | int) -> int:
    """Derive a 63-bit seed from the user's seed and the names of what it is for.

    >>> seed_for(0, "degrade", "album/song") == seed_for(0, "degrade", "album/song")
    True
    >>> seed_for(0, "degrade", "ab", "c") == seed_for(0, "degrade", "a", "bc")
    False
    """
    text = "\x00".join(str(name) for name in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogateescape")).digest()[:8], "big") >> 1


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Make the random generator that belongs to these names under the user's seed."""
    return np.random.default_rng(seed_for(seed, *names))


def uniform(seed: int, *names: str | int) -> float:
    """Place a name on the unit interval, evenly and for good: the same name lands on the same point.

    Returns:
        A number in [0, 1).
    """
    return seed_for(seed, *names) / 2.0**63
