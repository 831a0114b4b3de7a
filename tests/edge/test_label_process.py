"""The process that makes labels: what it answers, and every way in which it can end without an answer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from synthetic_bundle import edit_manifest, replace_file
from synthetic_text import N_KETTLES, needs_tokenizers, tokenizer_json, word_vectors, write_text_bundle

import edge.bundle
from edge import label_process
from edge.bundle import Bundle, load_bundle
from edge.errors import BundleError, EncoderError, LabelError
from edge.label_process import make_prototypes
from edge.prototypes import Prototype, from_pool, mean_text

SENTENCES = {"kettle": ["This is a sound of kettle", "kettle"], "drone": ["drone"]}


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return write_text_bundle(tmp_path / "words", ("fp32", "int8"))


def make(bundle: Bundle, encoder: str = "fp32") -> dict[str, Prototype]:
    return make_prototypes(SENTENCES, bundle, bundle.encoder_entry(encoder))


@needs_tokenizers
@pytest.mark.parametrize("encoder", ["fp32", "int8"])
def test_prototypes_are_made_of_the_mean_sentence_and_the_encoders_own_pool(
    bundle: Bundle, encoder: str
) -> None:
    pool = bundle.pool(bundle.encoder_entry(encoder))
    assert pool is not None
    made = make(bundle, encoder)
    assert list(made) == ["kettle", "drone"]
    for label, prototype in made.items():
        text = mean_text(np.stack([word_vectors()[label]] * len(SENTENCES[label])))
        expected = from_pool(text, pool, N_KETTLES)
        np.testing.assert_allclose(prototype.vector, expected.vector, atol=1e-6)
        assert prototype.vector.dtype == np.float32
        assert prototype.rows.tolist() == expected.rows.tolist()
        assert prototype.threshold == pytest.approx(expected.threshold, abs=1e-6)
        assert prototype.headroom == pytest.approx(expected.headroom, abs=1e-6)
        assert prototype.note == expected.note


@needs_tokenizers
def test_a_background_that_its_own_recordings_are_nearer_to_is_kin_whatever_it_is_called(
    bundle: Bundle,
) -> None:
    made = make_prototypes({"downpour": ["rain"], "kettle": ["kettle"]}, bundle, bundle.encoder_entry("fp32"))
    assert made["downpour"].kin == ("background rain",)
    assert made["kettle"].kin == ()


@needs_tokenizers
def test_the_process_that_asks_reads_no_pool(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the pool was read here")

    monkeypatch.setattr(edge.bundle, "read_pool", refuse)
    assert len(make(bundle)["kettle"].rows) == N_KETTLES


@needs_tokenizers
def test_a_sentence_longer_than_the_text_encoder_reads_is_refused_and_not_cut(bundle: Bundle) -> None:
    label = "drone " * 30
    sentences = {"kettle": ["kettle"], label: ["drone", f"{label}{label}{label}"]}
    with pytest.raises(LabelError, match=r"makes a sentence of 92 tokens, more than the 77 .*fewer words$"):
        make_prototypes(sentences, bundle, bundle.encoder_entry())


@needs_tokenizers
@pytest.mark.parametrize("name", ["text_encoder.onnx", "tokenizer.json", "pool.fp32.npz"])
def test_what_is_damaged_is_refused_by_its_name(bundle: Bundle, name: str) -> None:
    path = bundle.directory / name
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(BundleError, match=f"{name} is damaged"):
        make(bundle)


@needs_tokenizers
def test_its_errors_are_those_of_the_text_encoder_and_the_pool(bundle: Bundle) -> None:
    directory = bundle.directory
    replace_file(directory, "pool.fp32.npz", (directory / "pool.int8.npz").read_bytes())
    with pytest.raises(BundleError, match=r'pool.fp32.npz was made with another encoder than "fp32"'):
        make(load_bundle(directory))
    replace_file(directory, "tokenizer.json", b"{}")
    with pytest.raises(BundleError, match=r"tokenizer.json is not a tokenizer"):
        make(load_bundle(directory))
    replace_file(directory, "tokenizer.json", tokenizer_json())
    replace_file(directory, "text_encoder.onnx", b"no graph")
    with pytest.raises(EncoderError, match=r"text_encoder.onnx cannot be run on cpu"):
        make(load_bundle(directory))


def test_a_bundle_replaced_meanwhile_is_not_used(bundle: Bundle) -> None:
    edit_manifest(bundle.directory, lambda plain: plain.update(name="another"))
    with pytest.raises(BundleError, match="was replaced by another bundle just now; start again"):
        make(bundle)


@needs_tokenizers
def test_what_libraries_print_does_not_spoil_the_answer(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "talkative"
    folder.mkdir()
    (folder / "tokenizers.py").write_text(
        "import os, sys\n"
        "print('a banner', flush=True)\n"
        "os.write(1, b'another from C')\n"
        f"sys.path.remove({str(folder)!r})\n"
        "del sys.modules['tokenizers']\n"
        "import tokenizers\n"
    )
    monkeypatch.syspath_prepend(folder)
    assert len(make(bundle)["kettle"].rows) == N_KETTLES


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (
            "import os; os.kill(os.getpid(), 9)",
            "was killed, probably for want of memory; make the label on a",
        ),
        ("import os; os.kill(os.getpid(), 15)", "was ended by signal 15; try again"),
        ("raise MemoryError('no\\nroom\\x1b[31m left')", r"failed with exit code 1 \(room\\x1b\[31m left\)"),
        ("import sys; sys.exit(3)", r"failed with exit code 3 \(it said nothing\)"),
        ("pass", r"gave no answer that can be used \(it said nothing\)"),
        ("print('hello\\x07'); print('you\\x07')", r"gave no answer that can be used \(you\\x07\)"),
        ("print('[]')", r"gave no answer that can be used \(\[\]\)"),
        ("print('{}')", r"gave no answer that can be used \(\{\}\)"),
        ('print(\'{"made": {}, "failure": null}\')', "gave no answer that can be used"),
        ('print(\'{"made": {}, "failure": {"kind": "OSError", "message": ""}}\')', "gave no answer that"),
        ("import time; time.sleep(60)", "did not finish within 0.5 s and was ended"),
    ],
)
def test_an_end_without_an_answer_is_said_in_one_line(
    program: str, message: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_process, "PROGRAM", program)
    if "0.5 s" in message:
        monkeypatch.setattr(label_process, "TIMEOUT_S", 0.5)
    with pytest.raises(EncoderError, match=message) as caught:
        make(bundle)
    assert str(caught.value).isprintable()


def test_a_process_that_cannot_be_started_is_said_in_one_line(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EncoderError, match=r"cannot be started: .*/nowhere/python"):
        make(bundle)


def test_modules_that_lie_about_in_the_working_directory_are_not_imported(
    bundle: Bundle, tmp_path: Path
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    repository = Path(label_process.__file__).parent.parent
    program = (
        f"import sys; sys.path.insert(0, {str(repository)!r}); from edge import label_process as process; "
        "from edge.bundle import load_bundle; from pathlib import Path; "
        f"bundle = load_bundle(Path({str(bundle.directory)!r})); "
        "process.make_prototypes({'drone': ['\\udcff']}, bundle, bundle.encoder_entry())"
    )
    ended = subprocess.run(
        [sys.executable, "-I", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    # Half a surrogate pair, or no tokenizers: either way it came as far as reading the request.
    assert "the wrong json" not in ended.stderr
    assert "edge.errors." in ended.stderr.splitlines()[-1]
