from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_bundle import write_synthetic_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that hears tones; not to be changed."""
    directory = tmp_path_factory.mktemp("bundles") / "tones"
    write_synthetic_bundle(directory)
    return directory
