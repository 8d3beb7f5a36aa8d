"""What tests share: where real recordings lie."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real recordings, or no test."""
    folder = os.environ.get("AUDIORESTORE_CORPUS")
    if not folder:
        pytest.skip("AUDIORESTORE_CORPUS is not set: no real recordings to test on")
    return Path(folder)
