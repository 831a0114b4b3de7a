"""From recordings to a report: `edge-eval` as a person runs it, on data sets of the true layouts and sizes.

Every class of a data set is a tone, and the bundle's text encoder reads its name as that very tone, so that
what the report must say is known.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

for needed in ("sklearn", "scipy", "matplotlib", "tqdm", "onnx", "onnxruntime", "tokenizers"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `eval`, `cpu`, `text` and `test`")

from evaluation_material import (  # noqa: E402 - after the skip
    ESC50_CLASSES,
    FSD50K_CLASSES,
    FSD50K_SIZES,
    URBANSOUND8K_CLASSES,
    write_esc50,
    write_folder,
    write_fsd50k,
    write_sounds,
    write_urbansound8k,
)
from sklearn.metrics import (  # noqa: E402
    average_precision_score,
    label_ranking_average_precision_score,
)
from synthetic_bundle import (  # noqa: E402
    EMBEDDING_DIM,
    SAMPLE_RATE_HZ,
    TONES_HZ,
    WINDOW_LENGTH,
    WINDOW_S,
    embed,
    replace_file,
    tone,
    write_synthetic_bundle,
)
from synthetic_text import vectors_of_names, write_text_bundle  # noqa: E402
from tone_scenes import clip_of, rumble, write_clip  # noqa: E402

import edge  # noqa: E402
from edge.bundle import load_bundle  # noqa: E402
from edge.frontend import STARTER, LogMelFrontEnd  # noqa: E402
from edge.pipeline import builtin_bundle  # noqa: E402
from export.evaluation import accuracy  # noqa: E402
from export.evaluation.cli import main  # noqa: E402
from export.evaluation.datasets.find import find_dataset  # noqa: E402
from export.evaluation.stream_metrics import POOLED  # noqa: E402
from export.pool.cache import FILE_NAME  # noqa: E402
from export.starter.background import KINDS  # noqa: E402

REPOSITORY = Path(edge.__file__).resolve().parent.parent
EVAL = (sys.executable, "-m", "export.evaluation.cli")
QUICK_EVAL = (
    sys.executable, "-c",
    (
        "import sys; from export.evaluation import metrics; from export.evaluation.cli import main; "
        "metrics.N_MAP_RESAMPLES = 20; sys.exit(main(sys.argv[1:]))"
    ),
)  # fmt: skip
"""The same, but the intervals of FSD50K's mAP are of fewer resamples."""
SMALL_FSD50K_SIZES = {"train": 500, "val": 100, "eval": 210}
QUICK_EVAL_OF_CLAP = (
    sys.executable, "-c",
    (
        "import sys; from export.evaluation import metrics, paper; from export.evaluation.cli import main; "
        "from export.evaluation.datasets import fsd50k; metrics.N_MAP_RESAMPLES = 20; "
        f"fsd50k.CLIPS_PER_FOLD = {SMALL_FSD50K_SIZES}; paper.ALL_PROMPTS = paper.ALL_PROMPTS[3:5]; "
        "sys.exit(main(sys.argv[1:]))"
    ),
)  # fmt: skip
"""Takes an FSD50K of these sizes for whole, and tries two prompts only: to read a text takes CLAP 10 ms."""
TIMEOUT_S = 600
DATASETS = ("esc50", "urbansound8k", "fsd50k")
TITLES = ("ESC-50", "UrbanSound8K", "FSD50K")
N_POOL = {"esc50": 1600, "urbansound8k": 8732 - 990, "fsd50k": 36796}
"""Clips of the smallest pool: all but those of the largest fold; of FSD50K, those of "train"."""
PUBLISHED_PROTO = ["0.96", "0.73", "-", "0.52"]
"""Of ESC-50, UrbanSound8K, and FSD50K by both measures, of which the paper has one."""
SAME_SOUND = {"dog_bark": "dog", "Bark": "dog"}
"""Of classes whose names share words, so that each word can have one meaning."""


@dataclass(frozen=True)
class Tones:
    """Three data sets of tones, and a bundle that knows their classes' names.

    Attributes:
        data: folder of each data set.
        sounds: audio file of each class.
        bundle: with the text encoder.
        folder: for what is made of them.
    """

    data: dict[str, Path]
    sounds: dict[str, Path]
    bundle: Path
    folder: Path


@dataclass(frozen=True)
class Ran:
    """A command that ended well, and what it wrote."""

    stdout: str
    said: list[str]
    out: Path

    @property
    def page(self) -> str:
        return (self.out / "report.md").read_text(encoding="utf-8")

    @property
    def plain(self) -> dict[str, Any]:
        """report.json, which must hold no NaN, since that is no JSON."""
        text = (self.out / "report.json").read_text(encoding="utf-8")
        return dict(json.loads(text, parse_constant=pytest.fail))

    def of(self, dataset: str) -> dict[str, Any]:
        (found,) = (one for one in self.plain["datasets"] if one["dataset"] == dataset)
        return dict(found)

    def figures(self, dataset: str) -> dict[str, list[float]]:
        """Each method's figures."""
        return {
            row["method"]: [figure["overall"]["value"] for figure in row["figures"]]
            for row in self.of(dataset)["methods"]
        }

    def table(self, title: str) -> list[list[str]]:
        """Cells of a table of the page, its header first."""
        lines = self.page.split(f"## {title}\n\n")[1].split("\n\n")[0].splitlines()
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|--" not in line]


def environment(folder: Path) -> dict[str, str]:
    """Of child processes: a home and caches of their own, no network, no more threads than must be."""
    settings = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        settings[name] = str(folder / name)
        (folder / name).mkdir(parents=True, exist_ok=True)
    return {**os.environ, **settings}


def run(
    program: Sequence[str], *arguments: str | Path, env: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*program, *map(str, arguments)],
        env=env, cwd=REPOSITORY, capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip


def evaluate(program: Sequence[str], out: Path, *arguments: str | Path, env: dict[str, str]) -> Ran:
    """Run a command that must end well."""
    ended = run(program, *arguments, "--out", out, env=env)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "Traceback" not in ended.stderr
    return Ran(ended.stdout, ended.stderr.splitlines(), out)


def embedding_of(sound: Path) -> NDArray[np.float32]:
    """What the encoder makes of a file that is shorter than a window."""
    samples, _ = soundfile.read(sound, dtype="float32")
    return embed(LogMelFrontEnd(STARTER)(np.pad(samples, (0, WINDOW_LENGTH - len(samples)))))


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tones]:
    folder = tmp_path_factory.mktemp("tones")
    classes = (*ESC50_CLASSES, *URBANSOUND8K_CLASSES, *FSD50K_CLASSES)
    meaning = {name: SAME_SOUND.get(name, name.lower()) for name in classes}
    by_meaning = write_sounds(folder / "sounds", list(dict.fromkeys(meaning.values())))
    sounds = {name: by_meaning[meaning[name]] for name in classes}
    words = vectors_of_names({name: embedding_of(sounds[name]) for name in classes})
    yield Tones(
        data={
            "esc50": write_esc50(folder / "ESC-50-master", sounds),
            "urbansound8k": write_urbansound8k(folder / "UrbanSound8K", sounds),
            "fsd50k": write_fsd50k(folder / "FSD50K", sounds),
        },
        sounds=sounds,
        bundle=write_text_bundle(folder / "bundle", vectors=words).directory,
        folder=folder,
    )
    shutil.rmtree(folder)  # sixty thousand links, which pytest would keep


def whole_paper(tones: Tones) -> Ran:
    return evaluate(
        QUICK_EVAL, tones.folder / "report", "paper", "--data", *tones.data.values(),
        "--bundle", tones.bundle, "--save-embeddings", tones.folder / "saved", "--seed", "7",
        env=environment(tones.folder / "of the system"),
    )  # fmt: skip


@dataclass(frozen=True)
class Clap:
    """The paper's experiment by a checkpoint of random weights in LAION's layout.

    Attributes:
        bundle: what `edge-export clap` made of it.
        ran: what `edge-eval paper` made of that.
        saved: folder of the embeddings.
    """

    bundle: Path
    ran: Ran
    saved: Path


def clap_paper(folder: Path) -> Clap:
    from clap_material import QUICK_EXPORT  # noqa: PLC0415 - needs torch, as does the next
    from synthetic_checkpoint import laion_state, save_laion  # noqa: PLC0415
    from synthetic_tokenizer import write_tokenizer  # noqa: PLC0415

    from export.clap.architecture import TINY  # noqa: PLC0415

    env, bundle = environment(folder / "of the system"), folder / "bundle"
    checkpoint = folder / "clap.pt"
    save_laion(checkpoint, laion_state(TINY, seed=1))
    exported = run(
        QUICK_EXPORT, "--checkpoint", checkpoint, "--tokenizer", write_tokenizer(folder / "t.json", 50265),
        "--labels", "siren,rain", "--method", "zero-shot", "--text-encoder", "--precision", "int8",
        "--accept-parity", "--out", bundle, env=env,
    )  # fmt: skip
    assert exported.returncode == 0, exported.stderr
    checkpoint.unlink()  # as large as all else together
    five = list(write_sounds(folder / "sounds", list("abcde"), rate_hz=48000).values())

    def shared(classes: Sequence[str]) -> dict[str, Path]:
        return {name: five[number % len(five)] for number, name in enumerate(classes)}

    data = [
        write_esc50(folder / "ESC-50", shared(ESC50_CLASSES)),
        write_urbansound8k(folder / "UrbanSound8K", shared(URBANSOUND8K_CLASSES)),
        write_fsd50k(folder / "FSD50K", shared(FSD50K_CLASSES), SMALL_FSD50K_SIZES),
    ]
    ran = evaluate(
        QUICK_EVAL_OF_CLAP, folder / "report", "paper", "--data", *data, "--bundle", bundle,
        "--save-embeddings", folder / "saved", env=env,
    )  # fmt: skip
    return Clap(bundle, ran, folder / "saved")


@dataclass(frozen=True)
class Runs:
    """The two that take longest, side by side."""

    paper: Future[Ran]
    clap: Future[Clap] | None


@pytest.fixture(scope="module")
def runs(tones: Tones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    has_torch = all(map(find_spec, ("torch", "onnxscript", "safetensors", "huggingface_hub")))
    folder = tmp_path_factory.mktemp("clap")
    with ThreadPoolExecutor(2) as threads:
        clap = threads.submit(clap_paper, folder) if has_torch else None
        yield Runs(threads.submit(whole_paper, tones), clap)
        threads.shutdown(cancel_futures=True)
    shutil.rmtree(folder)  # which pytest would keep


@pytest.fixture
def paper(runs: Runs) -> Ran:
    return runs.paper.result()


@pytest.fixture
def clap(runs: Runs) -> Clap:
    if runs.clap is None:
        pytest.skip("needs torch, onnxscript, safetensors and huggingface_hub, from the extra `export`")
    return runs.clap.result()


def test_where_names_mean_their_tones_proto_and_zero_shot_are_always_right(paper: Ran) -> None:
    for dataset in ("esc50", "urbansound8k"):
        assert paper.figures(dataset) == {
            "Proto, k = 35": [1.0],
            "zero-shot (text)": [1.0],
            "supervised prototypes": [1.0],
        }
        for row in paper.of(dataset)["methods"]:
            assert set(row["figures"][0]["by_fold"].values()) == {1.0}


def test_on_fsd50k_they_are_as_right_as_one_tone_for_several_labels_allows(paper: Ran, tones: Tones) -> None:
    dataset = find_dataset(tones.data["fsd50k"])
    judged = [clip for clip in dataset.clips if clip.fold == "eval"]
    assert len(judged) == FSD50K_SIZES["eval"]
    truth = np.zeros((len(judged), len(dataset.classes)), np.bool_)
    for place, clip in enumerate(judged):
        truth[place, list(clip.classes)] = True
    texts = np.stack([embedding_of(tones.sounds[name]) for name in dataset.classes])
    of_sound = {tones.sounds[name]: text for name, text in zip(dataset.classes, texts, strict=True)}
    scores = np.stack([of_sound[clip.path.resolve()] for clip in judged]) @ texts.T
    expected = [
        average_precision_score(truth, scores, average="macro"),
        label_ranking_average_precision_score(truth, scores),
    ]
    # A class's tone is in the pool oftener than 35 times, so that Proto is the text.
    for method in ("Proto, k = 35", "zero-shot (text)"):
        # Clips of one tone score alike but for rounding, which may put them in any order.
        assert paper.figures("fsd50k")[method] == pytest.approx(expected, abs=0.01)


def test_table_1_has_the_published_figures_beside_ours(paper: Ran) -> None:
    header, *lines = paper.table("Table 1: methods")
    assert header == [
        "method",
        "ESC-50 accuracy",
        "UrbanSound8K accuracy",
        "FSD50K macro mAP",
        "FSD50K per-clip AP",
    ]
    cells = {line[0]: line[1:] for line in lines}
    assert cells["published: Proto-LC (the paper's, k = 35)"] == PUBLISHED_PROTO
    assert cells["published: LAION-CLAP zero-shot, in the paper"] == ["0.91", "0.72", "-", "0.22"]
    assert cells["published: people (Piczak, 2015)"] == ["0.813", "-", "-", "-"]
    ours = cells["Proto, k = 35"]
    for cell in ours[:2]:
        assert re.fullmatch(r"1\.000 \((0\.99\d|1\.000) to 1\.000\), folds 1\.000 ± 0\.000", cell)
    per_clip = paper.figures("fsd50k")["Proto, k = 35"][1]
    assert ours[3].startswith(f"{per_clip:.3f} (")
    assert "what the paper's code calls mAP" in paper.page


def test_table_2_has_the_five_prompts_and_their_lower_case_forms(paper: Ran) -> None:
    header, *lines = paper.table("Table 2: prompts")
    columns = [(title, method) for title in TITLES for method in ("Proto", "zero-shot")]
    for (title, method), column in zip(columns, header[1:], strict=True):
        assert column.startswith(title)
        assert column.endswith(f", {method}")
    assert [line[0] for line in lines[:5]] == [
        '"{label}"',
        '"I can hear {label}"',
        '"This is an audio of {label}"',
        '"This is {label}"',
        '"This is a sound of {label}"',
    ]
    assert [line[0] for line in lines[5:]] == [
        f'"{line[0].strip(chr(34)).lower()} (lower case)"' for line in lines[:5]
    ]
    for line in lines:
        assert [cell.removesuffix(" *") for cell in line[1:5]] == ["1.000"] * 4
    # Each data set has one prompt that the others choose for it.
    for place in (1, 3, 5):
        assert sum(line[place].endswith(" *") for line in lines) == 1


def test_the_curve_over_k_begins_right_and_ends_at_chance(paper: Ran) -> None:
    for dataset in ("esc50", "urbansound8k"):
        curve = paper.of(dataset)["k_curve"]
        assert (curve["ks"][0], curve["ks"][-1]) == (1, N_POOL[dataset])
        assert 35 in curve["ks"]
        # ESC-50's pool holds 32 of each class, UrbanSound8K's more.
        assert {f for k, f in zip(curve["ks"], curve["figures"], strict=True) if k <= 32} == {1.0}
        # Of the whole pool, the mean is the same for every class.
        assert curve["figures"][-1] < 0.35
    assert paper.of("fsd50k")["k_curve"]["ks"][-1] == N_POOL["fsd50k"]


def test_the_report_says_how_it_came_about(paper: Ran, tones: Tones) -> None:
    plain, bundle = paper.plain, load_bundle(tones.bundle)
    made = plain["made"]
    assert made["command"].startswith("edge-eval paper --data ")
    assert "--seed 7" in made["command"]
    assert made["seed"] == 7
    assert made["bundle"] == bundle.manifest.name
    assert made["bundle_sha256"] == bundle.sha256
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", made["time"])
    for package in ("python", "numpy", "onnxruntime", "scikit-learn"):
        assert re.match(r"\d+\.\d+", made["versions"][package])
    page = paper.page
    for part in (made["command"], made["time"], bundle.sha256, "seed 7", made["versions"]["numpy"]):
        assert part in page
    assert "Kushwaha & Fuentes" in page


def test_the_report_says_how_much_memory_it_took(paper: Ran) -> None:
    ((_, told),) = paper.table("Memory")[1:]
    peak_mib = paper.plain["peak_memory_mib"]
    assert told == f"{peak_mib:.0f}"
    assert 100.0 < peak_mib < 2000.0


def test_what_is_written_is_printed_too(paper: Ran) -> None:
    for title in ("Table 1: methods", "Table 2: prompts", "Beyond the paper", "Memory"):
        assert title in paper.stdout
        assert f"## {title}" in paper.page
    for line in paper.page.split("## Table 2: prompts\n\n")[1].split("\n\n")[0].splitlines():
        assert line in paper.stdout
    assert paper.stdout.endswith(f"wrote {paper.out / 'report.md'}\n")


def test_the_plots_are_there_and_shown(paper: Ran) -> None:
    names = {f"{kind}-{name}.png" for kind in ("k", "scores") for name in DATASETS}
    names |= {"confusion-esc50.png", "confusion-urbansound8k.png"}
    check_plots(paper, names)


def check_plots(ran: Ran, names: set[str]) -> None:
    """All of these are pictures, and shown on the page, and there is nothing else."""
    assert {path.name for path in ran.out.iterdir()} == names | {"report.md", "report.json"}
    for name in names:
        assert f"]({name})" in ran.page
        content = (ran.out / name).read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert content.endswith(b"IEND\xaeB`\x82")
        width, height = struct.unpack(">II", content[16:24])
        assert min(width, height) >= 200
        assert len(content) > 5000


def test_the_embeddings_that_it_saves_are_the_tones(paper: Ran, tones: Tones) -> None:
    del paper  # which has saved them
    saved = tones.folder / "saved"
    assert {path.name for path in saved.iterdir()} == {f"{name}.npz" for name in DATASETS}
    encoder = load_bundle(tones.bundle).arrays["fp32"].encoder_sha256
    with np.load(saved / "esc50.npz") as file:
        assert str(file["encoder_sha256"]) == encoder
        assert file["vectors"].shape == (2000, EMBEDDING_DIM)
        assert len(file["sentences"]) == 10 * len(ESC50_CLASSES)
        name = f"1-10000-A-{ESC50_CLASSES.index('dog')}.wav"
        (row,) = np.flatnonzero(file["names"] == name)
        tone_of_dog = embedding_of(tones.sounds["dog"])
        np.testing.assert_allclose(file["vectors"][row], tone_of_dog, atol=1e-4)
        (row,) = np.flatnonzero(file["sentences"] == "This is a sound of dog")
        np.testing.assert_allclose(file["sentence_vectors"][row], tone_of_dog, atol=1e-4)


def test_saved_embeddings_give_the_same_figures_without_a_bundle(
    paper: Ran, tones: Tones, tmp_path: Path
) -> None:
    again = evaluate(
        EVAL, tmp_path / "report", "paper", "--data", tones.data["esc50"], tones.data["urbansound8k"],
        "--embeddings", tones.folder / "saved" / "esc50.npz",
        "--embeddings", tones.folder / "saved" / "urbansound8k.npz", "--seed", "7",
        env=environment(tmp_path),
    )  # fmt: skip
    for dataset in ("esc50", "urbansound8k"):
        for part in ("methods", "prompts", "n_pool", "n_clips"):
            assert again.of(dataset)[part] == paper.of(dataset)[part]
    made = again.plain["made"]
    assert (made["bundle"], made["bundle_sha256"]) == (None, None)
    assert not (tmp_path / "XDG_CACHE_HOME" / "edge-listen").exists()
    assert "bundle" not in again.stdout.split("Table 1")[0]


def test_nothing_is_embedded_twice(paper: Ran, tones: Tones, tmp_path: Path) -> None:
    # Dogs, sirens, car horns and rain are embedded for the first data set that has them.
    for line in (
        "ESC-50: 50 recordings to embed, 0 embedded before",
        "UrbanSound8K: 7 recordings to embed, 3 embedded before",
        "FSD50K: 197 recordings to embed, 3 embedded before",
    ):
        assert line in paper.said
    again = evaluate(
        EVAL, tmp_path / "report", "folder", "--data", tones.data["urbansound8k"], "--bundle", tones.bundle,
        env=environment(tones.folder / "of the system"),
    )  # fmt: skip
    assert "UrbanSound8K: 0 recordings to embed, 10 embedded before" in again.said
    of_method = {row["method"]: row["figures"][0]["overall"]["value"] for row in again.plain["rows"]}
    assert of_method["Proto, k = 35"] == of_method["zero-shot (text)"] == 1.0


@dataclass(frozen=True)
class Interrupted:
    """How a command ended that was interrupted while it embedded.

    Attributes:
        exit_code, said: what it ended with and said.
        n_stored: recordings that it had embedded.
        left: what was left where its report was to be.
    """

    exit_code: int
    said: str
    n_stored: int
    left: list[str]


N_NOISY = 40


def write_noisy(folder: Path, sounds: dict[str, Path]) -> Path:
    """A folder of recordings of which no two are the same."""
    (folder / "audio").mkdir(parents=True)
    lines = ["filename,fold,label"]
    for number in range(N_NOISY):
        label = list(sounds)[number % len(sounds)]
        lines.append(f"{number}.wav,{number // len(sounds) % 2},{label}")
        noise = 1e-3 * np.random.default_rng(number).standard_normal(5 * SAMPLE_RATE_HZ)
        samples, _ = soundfile.read(sounds[label])
        noise[: len(samples)] += samples
        soundfile.write(folder / "audio" / f"{number}.wav", noise, SAMPLE_RATE_HZ)
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder


def n_stored(cache: Path) -> int:
    if not (cache / FILE_NAME).exists():
        return 0
    with closing(sqlite3.connect(cache / FILE_NAME, timeout=10)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM embeddings").fetchone()[0])
        except sqlite3.OperationalError:
            return 0  # The table is not there yet.


def test_an_interrupted_run_goes_on_where_it_stopped(tones: Tones, tmp_path: Path) -> None:
    data = write_noisy(tmp_path / "noisy", {name: tones.sounds[name] for name in ("dog", "siren", "rain")})
    env, out, cache = environment(tmp_path), tmp_path / "report", tmp_path / "cache"
    arguments = (
        "paper", "--data", data, "--bundle", tones.bundle, "--k", "3", "--hop-s", "0.02",
        "--cache", cache, "--save-embeddings", tmp_path / "saved",
    )  # fmt: skip
    process = subprocess.Popen(
        [*EVAL, *map(str, arguments), "--out", str(out)],
        env=env, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline_s = time.monotonic() + TIMEOUT_S
    while n_stored(cache) < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=TIMEOUT_S)[1]
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("edge-eval: interrupted; the same command ")
    assert "Traceback" not in said
    n_before = n_stored(cache)
    assert 2 <= n_before < N_NOISY
    assert list(out.iterdir()) == list((tmp_path / "saved").iterdir()) == []

    ran = evaluate(EVAL, out, *arguments, env=env)
    assert f"noisy: {N_NOISY - n_before} recordings to embed, {n_before} embedded before" in ran.said
    figures = ran.figures("noisy")
    assert ran.of("noisy")["n_clips"] == N_NOISY
    again = evaluate(EVAL, out, *arguments, env=env)
    assert f"noisy: 0 recordings to embed, {N_NOISY} embedded before" in again.said
    assert again.figures("noisy") == figures
    # Nobody has published figures of this one.
    cells = {line[0]: line[1] for line in ran.table("Table 1: methods")}
    assert cells["published: Proto-LC (the paper's, k = 35)"] == "-"


def test_clap_runs_from_the_checkpoint_to_the_tables(clap: Clap) -> None:
    bundle = load_bundle(clap.bundle)
    assert clap.ran.plain["made"]["bundle_sha256"] == bundle.sha256
    assert clap.ran.table("Table 1: methods")[0][1:4] == [
        "ESC-50 accuracy",
        "UrbanSound8K accuracy",
        "FSD50K macro mAP",
    ]
    assert [line[0] for line in clap.ran.table("Table 2: prompts")[1:]] == [
        '"This is {label}"',
        '"This is a sound of {label}"',
    ]
    for dataset in DATASETS:
        for figures in clap.ran.figures(dataset).values():
            assert all(0.0 <= figure <= 1.0 for figure in figures)
    assert "ESC-50: 5 recordings to embed, 0 embedded before" in clap.ran.said
    assert "FSD50K: 0 recordings to embed, 5 embedded before" in clap.ran.said
    for dataset in DATASETS:
        with np.load(clap.saved / f"{dataset}.npz") as file:
            assert str(file["encoder_sha256"]) == bundle.arrays["int8"].encoder_sha256
            assert file["vectors"].shape[1] == file["sentence_vectors"].shape[1] == 512
            assert len(np.unique(file["vectors"], axis=0)) == 5


def test_claps_figures_are_what_its_embeddings_give(clap: Clap) -> None:
    with np.load(clap.saved / "esc50.npz") as file:
        arrays = dict(file)
    of_sentence = dict(zip(arrays["sentences"].tolist(), arrays["sentence_vectors"], strict=True))
    texts = np.stack([of_sentence[f"This is a sound of {n.replace('_', ' ')}"] for n in ESC50_CLASSES])
    targets = np.array([int(name.split("-")[-1].removesuffix(".wav")) for name in arrays["names"]])
    folds = np.array([name[0] for name in arrays["names"]])
    zero_shot, proto = [], []
    for fold in "12345":
        pool, judged = arrays["vectors"][folds != fold], arrays["vectors"][folds == fold]
        zero_shot.append((np.argmax(judged @ texts.T, axis=1) == targets[folds == fold]).mean())
        near = np.argsort(-(texts @ pool.T), axis=1, kind="stable")[:, :35]
        means = pool[near].mean(axis=1)
        scores = judged @ (means / np.linalg.norm(means, axis=1, keepdims=True)).T
        proto.append((np.argmax(scores, axis=1) == targets[folds == fold]).mean())
    figures = clap.ran.figures("esc50")
    assert figures["zero-shot (text)"][0] == pytest.approx(np.mean(zero_shot))
    # Of random weights many texts have the same neighbours, and rounding decides between them.
    assert figures["Proto, k = 35"][0] == pytest.approx(np.mean(proto), abs=0.1)


def judge_esc50(
    tones: Tones, folder: Path, capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> tuple[dict[str, Any], str]:
    """Run `edge-eval esc50`; its report.json and what it printed."""
    capsys.readouterr()
    given = ("--data", tones.data["esc50"], "--cache", tones.folder / "cache of esc50", *arguments)
    assert main(["esc50", *map(str, given), "--out", str(folder)]) == 0
    return json.loads(
        (folder / "report.json").read_text(), parse_constant=pytest.fail
    ), capsys.readouterr().out


def test_esc50_judges_the_built_in_bundle(
    tones: Tones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, printed = judge_esc50(tones, tmp_path, capsys)
    own, supervised = plain["rows"]
    bundle = load_bundle(builtin_bundle())
    assert own["method"] == f"{bundle.manifest.name}, own prototypes"
    # None of these recordings is one that it was trained on, by their names.
    assert (own["n_judged"], own["learnt_from"]) == (2000, "no clip of this set")
    assert set(own["figures"][0]["by_fold"]) == set("12345")
    confusion = np.array(own["confusion"])
    assert confusion.sum(axis=1).tolist() == [40] * 50
    assert own["figures"][0]["overall"]["value"] == pytest.approx(np.trace(confusion) / 2000)
    # Each class is one tone, which is its own mean.
    assert supervised["method"] == "supervised prototypes"
    assert supervised["figures"][0]["overall"]["value"] == 1.0
    for title in (
        "ESC-50: accuracy",
        "ESC-50: accuracy by fold",
        "Confusion matrix of",
        "Recorded in the bundle",
    ):
        assert title in printed
    matrix = printed.split("Confusion matrix of")[1]
    for number, name in enumerate(ESC50_CLASSES):
        assert re.search(rf"^ *{number} +{name} +[.#1-9]{{50}}$", matrix, re.MULTILINE)
    assert "bundle edge-listen starter" in printed
    assert bundle.sha256[:12] in printed
    for name in ("confusion.png", "scores.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def trained(tones: Tones, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in bundle as if it had been trained on clips of this ESC-50: every other of folds 1 2 3 5."""
    bundle = tmp_path_factory.mktemp("trained") / "bundle"
    shutil.copytree(builtin_bundle(), bundle)
    clips = [clip.name for clip in find_dataset(tones.data["esc50"]).clips if clip.fold != "4"][::2]
    rows = "".join(f"{clip},somebody,CC0,somewhere\n" for clip in clips)
    replace_file(bundle, "attribution.csv", f"file,author,licence,source\n{rows}".encode())
    return bundle


def test_what_a_bundle_was_trained_on_is_not_judged_nor_the_kept_fold(
    tones: Tones, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, printed = judge_esc50(tones, tmp_path, capsys, "--bundle", trained)
    for row in plain["rows"]:
        assert row["n_judged"] == 800
        assert set(row["figures"][0]["by_fold"]) == set("1235")
        assert np.sum(row["confusion"]) == 800
    assert plain["rows"][0]["learnt_from"] == "800 clips of this set"
    # What stands beside it learns from the same: 800 clips, of which a fold is set apart.
    assert plain["rows"][1]["learnt_from"].startswith("600 clips")
    assert "1 2 3 5: 800 clips of 800 sources" in printed


def test_the_kept_fold_is_opened_on_request_and_the_look_is_on_record(
    tones: Tones, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "looks.csv"
    plain, printed = judge_esc50(tones, tmp_path / "report", capsys, "--bundle", trained, "--final", log)
    for row in plain["rows"]:
        assert row["n_judged"] == 400
        assert set(row["figures"][0]["by_fold"]) == {"4"}
    assert "4: 400 clips of 400 sources" in printed
    found = plain["rows"][0]["figures"][0]["overall"]["value"]
    sha256 = load_bundle(trained).sha256
    *_, line = log.read_text().splitlines()
    assert re.fullmatch(rf"20\d\d-\d\d-\d\d,{sha256[:12]},esc50,{found:.4f}", line)


def test_what_fails_before_anything_is_judged_costs_no_look(
    tones: Tones, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, log = tmp_path / "ESC-50", tmp_path / "looks.csv"
    shutil.copytree(tones.data["esc50"], data, symlinks=True)
    clip = next((data / "audio").glob("4-*.wav"))
    clip.unlink()
    clip.write_bytes(b"no sound")
    given = ("--data", data, "--bundle", trained, "--final", log, "--cache", tmp_path / "cache")
    assert main(["esc50", *map(str, given)]) == 7
    assert clip.name in capsys.readouterr().err
    assert not log.exists()


def test_a_look_that_is_interrupted_is_on_record_all_the_same(
    tones: Tones, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, cache = tmp_path / "looks.csv", tones.folder / "cache of esc50"

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(accuracy, "figures_of", interrupt)
    given = ("--data", tones.data["esc50"], "--bundle", trained, "--final", log, "--cache", cache)
    assert main(["esc50", *map(str, given)]) == 130
    *_, line = log.read_text().splitlines()
    assert line.endswith(f",{load_bundle(trained).sha256[:12]},esc50,")


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table, of the tones that the synthetic bundles have labels for."""
    place, sounds = tmp_path_factory.mktemp("three"), {}
    for name, hz in TONES_HZ.items():
        sounds[name] = place / f"{name}.wav"
        soundfile.write(sounds[name], tone(hz, WINDOW_S), SAMPLE_RATE_HZ)
    return write_folder(place / "mine", sounds)


def test_a_folder_is_judged_by_every_method_that_its_bundle_serves(
    three: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    front_end = LogMelFrontEnd(STARTER)
    words = vectors_of_names({name: embed(front_end(tone(hz, WINDOW_S))) for name, hz in TONES_HZ.items()})
    write_text_bundle(tmp_path / "words", vectors=words)
    write_synthetic_bundle(tmp_path / "tones")
    by_bundle = {
        "words": [
            "synthetic words, own prototypes",
            "Proto, k = 4",
            "zero-shot (text)",
            "supervised prototypes",
        ],
        "tones": ["synthetic tones, own prototypes", "supervised prototypes"],
    }
    for name, methods in by_bundle.items():
        given = ("--data", three, "--bundle", tmp_path / name, "--k", "4", "--cache", tmp_path / "cache")
        assert main(["folder", *map(str, given), "--out", str(tmp_path / "report")]) == 0
        plain = json.loads((tmp_path / "report" / "report.json").read_text(), parse_constant=pytest.fail)
        assert [row["method"] for row in plain["rows"]] == methods
        for row in plain["rows"]:
            assert row["n_judged"] == 18
            assert row["figures"][0]["overall"]["value"] == 1.0
        printed = capsys.readouterr().out
        assert "mine: accuracy by fold" in printed
        assert "alarm beep" in printed


BLOCKED = ("torch", "onnx", "onnxscript", "safetensors", "huggingface_hub", "tokenizers", "ai_edge_litert")
WITHOUT = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from export.evaluation.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_esc50_and_stream_run_with_no_more_than_the_extra_installs(tones: Tones, tmp_path: Path) -> None:
    program, env = (sys.executable, "-c", WITHOUT), environment(tmp_path)
    ran = evaluate(program, tmp_path / "esc50", "esc50", "--data", tones.data["esc50"], env=env)
    assert "Confusion matrix of edge-listen starter" in ran.stdout
    write_synthetic_bundle(tmp_path / "bundle")
    clips = [
        (name, write_clip(tmp_path / "data", f"{name}.wav", clip_of(hz))) for name, hz in TONES_HZ.items()
    ]
    rows = "".join(f"{path.name},{n},{name}\n" for n, (name, path) in enumerate(clips))
    (tmp_path / "data" / "clips.csv").write_text(f"filename,fold,label\n{rows}")
    work = tmp_path / "work"
    work.mkdir()
    for kind in KINDS:  # as if generated before
        np.save(work / f"heldout-{kind}-60-seed2.npy", rumble(1)["rumble"])
    ran = evaluate(
        program, tmp_path / "stream", "stream", "--data", tmp_path / "data", "--bundle", tmp_path / "bundle",
        "--labels", "siren,dog bark", "--snr-db", "20", "--minutes", "0", "--work", work, env=env,
    )  # fmt: skip
    found = {one["label"]: one["n_found"] for one in ran.plain["figures"]}
    assert found == {POOLED: 2, "siren": 1, "dog bark": 1}
