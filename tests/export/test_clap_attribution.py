"""Which label's prototypes each of a pool's recordings is part of, in the attribution file."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

for needed in ("torch", "onnx"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `export`")

from export.clap.background import BACKGROUND  # noqa: E402 - after the skip
from export.clap.build import _credits  # noqa: E402
from export.clap.pack import _attribution  # noqa: E402
from export.pool.recordings import Recording  # noqa: E402


def heard(precision: str, rows_of_labels: list[list[int]], used: list[int]) -> Any:
    rows = [*rows_of_labels, *([] for _ in BACKGROUND)]
    return SimpleNamespace(
        graph=SimpleNamespace(precision=precision),
        prototypes=[SimpleNamespace(rows=np.array(own, np.intp)) for own in rows],
        used=np.array(used),
    )


def test_a_recording_bears_the_labels_of_every_encoders_prototypes_that_it_is_part_of(tmp_path: Path) -> None:
    # Rows 0 and 1 of the pool are windows of recording 0, rows 2 to 4 of 1 to 3.
    pool = SimpleNamespace(recording=np.array([0, 0, 1, 2, 3]))
    embedded: Any = SimpleNamespace(
        pools={"int8": pool, "fp32": pool},
        recordings=[Recording(f"{number}.wav", tmp_path / f"{number}.wav") for number in range(4)],
    )
    texts: Any = SimpleNamespace(labels=("siren", "dog bark"))
    by_each = [
        heard("int8", [[1, 2], [2]], [0, 1, 3]),
        heard("fp32", [[2], [2, 1]], [0, 1, 3]),
    ]
    credits_ = _credits(by_each, embedded, texts)
    assert [(row.file, row.labels) for row in credits_] == [
        ("0.wav", "siren; dog bark"),
        ("1.wav", "siren; dog bark"),
        ("3.wav", ""),
    ]
    lines = _attribution(credits_).decode().splitlines()
    assert lines[0] == "file,author,licence,source,labels"
    assert lines[1] == "0.wav,unknown,unknown,unknown,siren; dog bark"
