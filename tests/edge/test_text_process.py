"""The text encoder's process: what it answers, and every way in which it can end without an answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic_bundle import EMBEDDING_DIM
from synthetic_text import needs_tokenizers, text_encoder_onnx, tokenizer_json, word_vectors

from edge import text_process
from edge.errors import BundleError, EncoderError
from edge.text_process import embed_texts


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    graph, tokenizer = tmp_path / "text_encoder.onnx", tmp_path / "tokenizer.json"
    graph.write_bytes(text_encoder_onnx())
    tokenizer.write_bytes(tokenizer_json())
    return graph, tokenizer


@needs_tokenizers
def test_texts_come_back_as_their_embeddings_in_order(files: tuple[Path, Path]) -> None:
    embeddings = embed_texts(["This is a sound of kettle", "drone"], *files, 77, EMBEDDING_DIM)
    assert embeddings.dtype == np.float32
    words = word_vectors()
    np.testing.assert_allclose(embeddings, np.stack([words["kettle"], words["drone"]]), atol=1e-6)


@needs_tokenizers
def test_its_errors_are_those_of_the_text_encoder(files: tuple[Path, Path]) -> None:
    graph, tokenizer = files
    with pytest.raises(EncoderError, match="not the encoder it should be"):
        embed_texts(["kettle"], graph, tokenizer, 77, EMBEDDING_DIM + 1)
    tokenizer.write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer.json is not a tokenizer"):
        embed_texts(["kettle"], graph, tokenizer, 77, EMBEDDING_DIM)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            "was killed, probably for want of memory; make the label on a",
        ),
        ("import os; os.kill(os.getpid(), 15)", "was ended by signal 15; try again"),
        ("raise MemoryError('no\\nroom\\x1b[31m left')", r"failed with exit code 1 \(room\\x1b\[31m left\)"),
        ("import sys; sys.exit(3)", r"failed with exit code 3 \(\)"),
        ("print('hello')", r"failed with exit code 0 \(\)"),
        ("import time; time.sleep(60)", "did not finish within 0.5 s and was ended"),
    ],
)
def test_an_end_without_an_answer_is_said_in_one_line(
    program: str, message: str, files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_process, "PROGRAM", program)
    if "0.5 s" in message:
        monkeypatch.setattr(text_process, "TIMEOUT_S", 0.5)
    with pytest.raises(EncoderError, match=message) as caught:
        embed_texts(["kettle"], *files, 77, EMBEDDING_DIM)
    assert str(caught.value).isprintable()


def test_a_process_that_cannot_be_started_is_said_in_one_line(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EncoderError, match=r"cannot be started: .*/nowhere/python"):
        embed_texts(["kettle"], *files, 77, EMBEDDING_DIM)


def test_modules_that_lie_about_in_the_working_directory_are_not_imported(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    repository = Path(text_process.__file__).parent.parent
    program = (
        f"import sys; sys.path.insert(0, {str(repository)!r}); from edge import text_process as t; "
        "from pathlib import Path; t.embed_texts(['a'], Path('x'), Path('x'), 77, 32)"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    # No such tokenizer, or no tokenizers: either way it came as far as reading the request.
    assert "the wrong json" not in ended.stderr
    assert "edge.errors." in ended.stderr.splitlines()[-1]
