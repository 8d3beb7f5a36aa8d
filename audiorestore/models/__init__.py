"""The restorers: each file here is one model family."""

from ..registry import Registry

FAMILIES = Registry("audiorestore.models", "family")
