"""The restorers: each file is one model family."""

from ..registry import Registry

FAMILIES = Registry("audiorestore.models", "family")
