"""The ways audio is hurt: each file here is one damage."""

from ..registry import Registry

DAMAGES = Registry("audiorestore.damage", "damage")
