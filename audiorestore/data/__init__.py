"""The disk: audio files, manifests, and training pairs."""
