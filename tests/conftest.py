from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# The same examples in every run, and no deadline: a slow machine is not a failure.
settings.register_profile(
    "edge-listen",
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("edge-listen")

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Recordings and goldens that may not be handed on with the project."""
    directory = Path(os.environ.get("EDGE_LISTEN_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not directory.is_dir():
        pytest.skip(f"needs the development data: no directory {directory} (EDGE_LISTEN_DATA names another)")
    return directory
