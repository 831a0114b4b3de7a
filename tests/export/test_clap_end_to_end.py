"""From a checkpoint to a bundle that listens: the programs themselves, on checkpoints of the true layouts."""

from __future__ import annotations

import csv
import hashlib
import importlib.metadata
import itertools
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

for needed in ("torch", "onnx", "onnxruntime", "tokenizers", "safetensors", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `export` and `cpu`")

from clap_material import (  # noqa: E402 - after the skip
    EXPORT,
    LISTEN,
    LONG,
    N_POOL,
    QUICK_EXPORT,
    TIMEOUT_S,
    environment,
    run,
    start,
    write_pool,
)
from synthetic_checkpoint import (  # noqa: E402
    laion_state,
    save_laion,
    transformers_state,
    write_transformers_settings,
)
from synthetic_tokenizer import write_tokenizer  # noqa: E402

from edge.bundle import Bundle, load_bundle  # noqa: E402
from edge.encoder import load_encoder  # noqa: E402
from edge.frontend import CLAP_FUSED, CLAP_UNFUSED, LogMelFrontEnd  # noqa: E402
from edge.sources.audio_file import AudioFileSource  # noqa: E402
from export.clap.architecture import TINY  # noqa: E402
from export.clap.laion_layout import layout  # noqa: E402
from export.pool.cache import FILE_NAME  # noqa: E402
from export.pool.windows import WindowSettings  # noqa: E402

K_OF_POOL = N_POOL // 4
"""Of so few recordings no more may be neighbours."""
SAMPLE_RATE_HZ = CLAP_UNFUSED.sample_rate_hz
HEAR_ALL = ("--threshold", "-1", "--margin", "-2", "--json")


@dataclass(frozen=True)
class Inputs:
    """What a person has.

    Attributes:
        fused, unfused: checkpoints as LAION trains them; transformers: `unfused` as transformers has it.
        tokenizer, pool: as their names say.
        folder: for what is made of them.
        env: of child processes.
    """

    unfused: Path
    fused: Path
    transformers: Path
    tokenizer: Path
    pool: Path
    folder: Path
    env: dict[str, str]


@dataclass(frozen=True)
class Made:
    """A bundle, and what its making said, line by line."""

    bundle: Bundle
    said: list[str]

    @property
    def encoders(self) -> list[str]:
        return [entry.name for entry in self.bundle.manifest.encoders]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inputs]:
    folder = tmp_path_factory.mktemp("clap")
    fused = laion_state(replace(TINY, fusion=True), seed=1)
    unfused = {key: value for key, value in fused.items() if key in layout(TINY)}
    save_laion(folder / "fused.pt", fused)
    save_laion(folder / "unfused.pt", unfused)
    write_transformers_settings(folder / "transformers", TINY)
    from safetensors.torch import save_file  # noqa: PLC0415 - after the skip

    save_file(transformers_state(unfused), folder / "transformers" / "model.safetensors")
    yield Inputs(
        unfused=folder / "unfused.pt",
        fused=folder / "fused.pt",
        transformers=folder / "transformers",
        tokenizer=write_tokenizer(folder / "tokenizer.json", 50265),
        pool=write_pool(folder / "pool"),
        folder=folder,
        env=environment(folder / "of the system"),
    )
    shutil.rmtree(folder)  # two gigabytes, which pytest would keep


def make(
    inputs: Inputs,
    name: str,
    checkpoint: Path,
    *arguments: str | Path,
    program: tuple[str, ...],
) -> Made:
    """Run `edge-export clap` to a bundle of this name."""
    out = inputs.folder / "bundles" / name
    ended = run(
        program, "--checkpoint", checkpoint, "--tokenizer", inputs.tokenizer, "--out", out, *arguments,
        env=inputs.env,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    bundle = load_bundle(out)
    bundle.verify()
    assert ended.stdout.startswith(f"wrote {out}: ")
    assert bundle.sha256[:12] in ended.stdout
    return Made(bundle, ended.stderr.splitlines())


def make_whole(inputs: Inputs) -> Made:
    """All that a bundle can hold, of the unfused checkpoint."""
    return make(
        inputs, "whole", inputs.unfused, "--labels", "dog bark,siren", "--labels", "Kettle_whistle",
        "--pool", inputs.pool, "--text-encoder", "--accept-parity", "--cache", inputs.folder / "cache",
        program=QUICK_EXPORT,
    )  # fmt: skip


def make_fused(inputs: Inputs) -> Made:
    """The encoder for CPUs alone, without a pool, of windows as long as a clip."""
    return make(
        inputs, "fused", inputs.fused, "--labels", "siren,rain", "--method", "zero-shot",
        "--precision", "int8", "--window-s", "10", "--accept-parity", program=QUICK_EXPORT,
    )  # fmt: skip


@dataclass(frozen=True)
class Interrupted:
    """How a command ended that was interrupted while it embedded the pool.

    Attributes:
        exit_code, said: what it ended with and said.
        n_stored: recordings that it had embedded.
        left: what it left where its bundle was to be.
    """

    exit_code: int
    said: str
    n_stored: int
    left: list[str]


def make_resumed(inputs: Inputs) -> tuple[Interrupted, Made]:
    """The encoder for GPUs alone, of the transformers layout: a command, interrupted and given again.

    The cache is where it is by itself. No figure needs to be overruled.
    """
    labels = inputs.folder / "labels.txt"
    labels.write_text("# what matters at home\ndog bark\n\nSiren\n", encoding="utf-8")
    arguments = (
        "--labels-file", labels, "--pool", inputs.pool, "--precision", "fp32",
        "--prompt", "This is a sound of {label}", "--prompt", "{label}",
    )  # fmt: skip
    cache, place = Path(inputs.env["XDG_CACHE_HOME"]) / "edge-listen" / "embeddings", inputs.folder / "place"
    place.mkdir()
    process = start(
        QUICK_EXPORT, "--checkpoint", inputs.transformers, "--tokenizer", inputs.tokenizer,
        "--out", place / "resumed", *arguments, env=inputs.env,
    )  # fmt: skip
    deadline_s = time.monotonic() + TIMEOUT_S
    while n_stored(cache) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=TIMEOUT_S)[1]
    interrupted = Interrupted(
        process.returncode, said, n_stored(cache), [path.name for path in place.iterdir()]
    )
    return interrupted, make(inputs, "resumed", inputs.transformers, *arguments, program=EXPORT)


def n_stored(cache: Path) -> int:
    if not (cache / FILE_NAME).exists():
        return 0
    with closing(sqlite3.connect(cache / FILE_NAME, timeout=10)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM embeddings").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # The table is not there yet.


@dataclass(frozen=True)
class Builds:
    """All that is made, two at a time: each takes half a minute of one core."""

    whole: Future[Made]
    resumed: Future[tuple[Interrupted, Made]]
    fused: Future[Made]


@pytest.fixture(scope="module")
def builds(inputs: Inputs) -> Iterator[Builds]:
    with ThreadPoolExecutor(2) as threads:
        yield Builds(*(threads.submit(job, inputs) for job in (make_whole, make_resumed, make_fused)))
        threads.shutdown(cancel_futures=True)


@pytest.fixture
def whole(builds: Builds) -> Made:
    return builds.whole.result()


@pytest.fixture
def fused(builds: Builds) -> Made:
    return builds.fused.result()


@pytest.fixture
def interrupted(builds: Builds) -> Interrupted:
    return builds.resumed.result()[0]


@pytest.fixture
def resumed(builds: Builds) -> Made:
    return builds.resumed.result()[1]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_manifest_says_what_the_bundle_was_made_of(whole: Made, inputs: Inputs) -> None:
    manifest = whole.bundle.manifest
    assert manifest.log_mel == CLAP_UNFUSED
    assert (manifest.window_s, manifest.clip_s, manifest.padding) == (5.0, 10.0, "repeat")
    assert [(entry.name, entry.meant_for) for entry in manifest.encoders] == [
        ("int8", "cpu"),
        ("fp32", "gpu"),
    ]
    assert sha256(inputs.unfused) in manifest.provenance.weights
    assert manifest.recipe is not None
    assert (manifest.recipe.prompts, manifest.recipe.method) == (("This is a sound of {label}",), "proto")
    assert manifest.recipe.k == 35
    labels = [label for label in manifest.labels if label.kind == "label"]
    assert [label.name for label in labels] == ["dog bark", "siren", "Kettle whistle"]
    for label in labels:
        assert label.support == K_OF_POOL
        assert label.thresholds.keys() == {"int8", "fp32"}
    backgrounds = [label.name for label in manifest.labels if label.kind == "background"]
    assert {"background speech", "background music", "background silence"} <= set(backgrounds)


def test_the_manifest_holds_the_figures_of_parity(whole: Made, resumed: Made) -> None:
    parity = whole.bundle.manifest.parity
    assert parity["fp32_to_module_max_abs"] <= 1e-5
    assert parity["fp32_to_module_cosine_min"] >= 0.99999
    assert parity["int8_to_fp32_cosine_mean"] >= 0.995
    assert parity["int8_to_fp32_centred_cosine"] >= 0.99
    assert 0 <= parity["int8_to_fp32_agreement"] <= 1
    assert parity["text_int8_to_text_fp32_cosine_mean"] >= 0.99
    for package in ("torch", "onnx", "onnxruntime"):
        assert parity[package] == importlib.metadata.version(package)
    if str(parity["reference"]).startswith("laion_clap"):
        assert parity["module_to_reference_max_abs"] <= 5e-6
    # This one was made without --accept-parity.
    assert "accepted_although" not in resumed.bundle.manifest.parity
    assert resumed.bundle.manifest.parity["clips"] == "100"


def test_a_fused_checkpoint_brings_its_own_front_end(fused: Made, inputs: Inputs) -> None:
    manifest = fused.bundle.manifest
    assert manifest.log_mel == CLAP_FUSED
    assert "with fusion" in manifest.provenance.weights
    assert sha256(inputs.fused) in manifest.provenance.weights
    assert (manifest.window_s, fused.encoders) == (10.0, ["int8"])


def test_the_golden_embeddings_are_what_the_encoders_give(whole: Made, fused: Made, resumed: Made) -> None:
    for made in (whole, fused, resumed):
        for entry in made.bundle.manifest.encoders:
            golden = made.bundle.golden(entry)
            embedding = load_encoder(made.bundle, entry, SAMPLE_RATE_HZ, "cpu").encode(golden.log_mel)
            np.testing.assert_allclose(embedding, golden.embedding, atol=1e-5)


def test_the_pool_in_the_bundle_is_what_its_encoder_makes_of_the_recordings(
    whole: Made, inputs: Inputs
) -> None:
    front_end, settings = LogMelFrontEnd(CLAP_UNFUSED), WindowSettings(CLAP_UNFUSED)
    for entry in whole.bundle.manifest.encoders:
        pool = whole.bundle.pool(entry)
        assert pool is not None
        assert len(pool.names) == N_POOL
        name = "dog_bark 0.flac"  # of another sample rate than the encoder's
        with AudioFileSource(inputs.pool / name, SAMPLE_RATE_HZ) as source:
            sound = np.concatenate([block.samples for block in source.blocks()])
        log_mel = front_end(settings.clip(sound))
        embedding = load_encoder(whole.bundle, entry, SAMPLE_RATE_HZ, "cpu").encode(log_mel)
        (row,) = np.flatnonzero(pool.recording == pool.names.index(name))
        np.testing.assert_allclose(pool.embeddings[row], embedding, atol=1e-3)


def test_a_long_recording_has_several_windows_and_is_one_neighbour(whole: Made) -> None:
    for entry in whole.bundle.manifest.encoders:
        pool = whole.bundle.pool(entry)
        assert pool is not None
        long = pool.names.index(LONG)
        assert np.bincount(pool.recording).tolist() == [3 if n == long else 1 for n in range(N_POOL)]
        # Nothing says which windows a prototype is the centroid of, so all sets of them are tried.
        rows = np.array(list(itertools.combinations(range(len(pool.recording)), K_OF_POOL)))
        centroids = pool.embeddings[rows].mean(axis=1)
        centroids /= np.linalg.norm(centroids, axis=1, keepdims=True)
        neighbours = []
        for vector in whole.bundle.prototypes(entry).vectors:
            best = int(np.argmax(centroids @ vector))
            assert centroids[best] @ vector > 0.99999
            neighbours.append(pool.recording[rows[best]].tolist())
        assert all(len(set(recordings)) == K_OF_POOL for recordings in neighbours)
        assert any(long in recordings for recordings in neighbours)


def test_every_recording_that_a_bundle_holds_something_of_is_credited(
    whole: Made, resumed: Made, fused: Made
) -> None:
    def credited(made: Made) -> list[str]:
        with (made.bundle.directory / "attribution.csv").open(encoding="utf-8", newline="") as file:
            return [row["file"] for row in csv.DictReader(file)]

    pool = whole.bundle.pool(whole.bundle.encoder_entry())
    assert pool is not None
    assert credited(whole) == list(pool.names)
    assert K_OF_POOL <= len(credited(resumed)) < N_POOL
    assert set(credited(resumed)) < set(pool.names)
    assert fused.bundle.manifest.provenance.attribution is None
    assert not (fused.bundle.directory / "attribution.csv").exists()


def test_both_layouts_of_the_same_weights_give_the_same_encoder(whole: Made, resumed: Made) -> None:
    name = "audio_encoder.fp32.onnx"
    assert whole.bundle.manifest.files[name] == resumed.bundle.manifest.files[name]
    assert resumed.encoders == ["fp32"]


def test_labels_from_a_file_and_several_prompts(resumed: Made) -> None:
    manifest = resumed.bundle.manifest
    assert [label.name for label in manifest.labels if label.kind == "label"] == ["dog bark", "Siren"]
    assert manifest.recipe is not None
    assert manifest.recipe.prompts == ("This is a sound of {label}", "{label}")


def test_an_interrupted_command_leaves_nothing_but_what_it_has_embedded(interrupted: Interrupted) -> None:
    assert interrupted.exit_code == 130
    last = interrupted.said.splitlines()[-1]
    assert last == "edge-export: interrupted; the same command goes on where it stopped"
    assert "Traceback" not in interrupted.said
    assert 2 <= interrupted.n_stored < N_POOL
    assert interrupted.left == []


def test_the_same_command_goes_on_and_says_how_much_was_there(
    interrupted: Interrupted, resumed: Made
) -> None:
    n_before = interrupted.n_stored
    assert f"{N_POOL - n_before} recordings to embed, {n_before} embedded before" in resumed.said
    total = f"pool: {N_POOL} recordings, {N_POOL + 2} windows"
    assert f"{total}; {n_before} were embedded before" in resumed.said


def test_nothing_is_left_beside_the_bundles_nor_in_temporary_folders_nor_at_home(
    builds: Builds, inputs: Inputs
) -> None:
    for job in (builds.whole, builds.resumed, builds.fused):
        job.result()
    names = {path.name for path in (inputs.folder / "bundles").iterdir()}
    assert names == {"whole", "fused", "resumed"}
    # ONNX Runtime would keep in both what it is about to report of its user.
    assert list(Path(inputs.env["TMPDIR"]).iterdir()) == []
    assert list(Path(inputs.env["HOME"]).iterdir()) == []


def test_progress_is_told_in_whole_lines_where_stderr_is_no_terminal(whole: Made) -> None:
    text = "\n".join(whole.said)
    assert "\r" not in text
    assert "\x1b" not in text
    assert f"embedding the pool: {N_POOL + 2} of {N_POOL + 2} windows, " in text


def test_a_person_is_told_of_each_label_and_of_a_small_pool(whole: Made, fused: Made) -> None:
    (note,) = [line for line in whole.said if "the pool is small" in line]
    assert f"{K_OF_POOL} recordings, a quarter of it, not of 35" in note
    for encoder in ("int8", "fp32"):
        (head,) = [place for place, line in enumerate(whole.said) if line.endswith(f"({encoder})")]
        for place, name in enumerate(("dog bark", "siren", "Kettle whistle"), head + 1):
            assert whole.said[place].startswith(name)
            assert whole.said[place].removeprefix(name).split()[0] == str(K_OF_POOL)
    assert not any("the pool is small" in line for line in fused.said)


def test_zero_shot_needs_no_pool_and_says_what_that_costs(fused: Made, whole: Made) -> None:
    assert any(".91 against .96" in line for line in fused.said)
    assert not any(".91 against .96" in line for line in whole.said)
    manifest = fused.bundle.manifest
    assert manifest.recipe is not None
    assert manifest.recipe.method == "zero-shot"
    assert [label.support for label in manifest.labels] == [0] * len(manifest.labels)


def listen(
    made: Made, inputs: Inputs, *arguments: str, labels: str = "siren"
) -> tuple[list[dict[str, object]], str]:
    """Events, and what stderr says."""
    ended = run(
        LISTEN, "--bundle", made.bundle.directory, "--labels", labels, "--input", inputs.pool / LONG,
        *HEAR_ALL, *arguments, env=inputs.env,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()], ended.stderr


@pytest.mark.parametrize("encoder", ["int8", "fp32"])
def test_the_bundle_listens_with_either_encoder(whole: Made, inputs: Inputs, encoder: str) -> None:
    events, said = listen(whole, inputs, "--encoder", encoder, labels="Siren,kettle-whistle")
    assert {(event["event"], event["label"]) for event in events} == {
        (kind, label) for kind in ("onset", "offset") for label in ("siren", "Kettle whistle")
    }
    assert {event["bundle"] for event in events} == {whole.bundle.sha256}
    assert f"encoder {encoder} on cpu" in said


def test_each_kind_of_bundle_listens(fused: Made, resumed: Made, inputs: Inputs) -> None:
    for made in (fused, resumed):
        events, said = listen(made, inputs)
        assert {event["event"] for event in events} == {"onset", "offset"}
        assert f"encoder {made.encoders[0]} on cpu" in said


def test_the_labels_can_be_listed(whole: Made, fused: Made, inputs: Inputs) -> None:
    listed = run(LISTEN, "labels", "--bundle", whole.bundle.directory, env=inputs.env).stdout
    names = {line.split("  ")[0] for line in listed.splitlines()}
    assert {"dog bark", "siren", "Kettle whistle"} <= names
    assert "any other words will do too" in listed
    listed = run(LISTEN, "labels", "--bundle", fused.bundle.directory, env=inputs.env).stdout
    assert "any other words" not in listed


def test_words_that_are_no_label_are_heard_and_the_second_start_needs_no_text_encoder(
    whole: Made, inputs: Inputs, tmp_path: Path
) -> None:
    events, said = listen(whole, inputs, labels="a spoon on a saucepan")
    assert {event["label"] for event in events} == {"a spoon on a saucepan"}
    assert f"from its text and {K_OF_POOL} recordings of the bundle's pool" in said
    (tmp_path / "tokenizers.py").write_text("raise ImportError('it was not to be needed')\n")
    path = f"{tmp_path}{os.pathsep}{inputs.env['PYTHONPATH']}"
    without = replace(inputs, env={**inputs.env, "PYTHONPATH": path})
    again, said = listen(whole, without, labels="a spoon on a saucepan")
    assert 'kept "a spoon on a saucepan" from before' in said
    assert [event["score"] for event in again] == [event["score"] for event in events]


def test_without_a_text_encoder_the_error_says_how_to_add_a_label(fused: Made, inputs: Inputs) -> None:
    ended = run(
        LISTEN, "--bundle", fused.bundle.directory, "--labels", "kettle", "--input", inputs.pool / LONG,
        env=inputs.env,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert 'no label "kettle"' in line
    assert "to add it, export the bundle again with it: edge-export clap --labels" in line
