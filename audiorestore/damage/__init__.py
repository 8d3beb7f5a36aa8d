"""The damages: each file here is one way to degrade audio."""

from ..registry import Registry

DAMAGES = Registry("audiorestore.damage", "damage")
