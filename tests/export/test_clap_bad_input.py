"""What a person can get wrong with `edge-export clap`: one line that says what to do, and nothing is left."""

from __future__ import annotations

import csv
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

for needed in ("torch", "onnx", "onnxruntime", "tokenizers", "tqdm", "huggingface_hub"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `export` and `cpu`")

import torch  # noqa: E402 - after the skip
from clap_material import (  # noqa: E402
    EAR_EXPORT,
    EXPORT,
    QUICK_EXPORT,
    encoders_like,
    environment,
    flat_state,
    run,
    start,
    the_error,
    write_ear,
    write_noises,
)
from synthetic_checkpoint import save_laion, write_transformers_settings  # noqa: E402
from synthetic_tokenizer import write_tokenizer  # noqa: E402

from edge.bundle import load_bundle  # noqa: E402
from edge.errors import BundleError  # noqa: E402
from export.clap import build, hub, sample  # noqa: E402
from export.clap.architecture import TINY  # noqa: E402
from export.cli import main  # noqa: E402

N_POOL = 12


@dataclass(frozen=True)
class Inputs:
    """What is right, so that a test can make one thing wrong.

    Attributes:
        checkpoint: small, and of the true layout.
        tokenizer, pool: as their names say.
        ear: a graph that can stand for the audio encoder.
    """

    checkpoint: Path
    tokenizer: Path
    pool: Path
    ear: Path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    folder = tmp_path_factory.mktemp("right")
    save_laion(folder / "clap.pt", flat_state())
    return Inputs(
        checkpoint=folder / "clap.pt",
        tokenizer=write_tokenizer(folder / "tokenizer.json", 50265),
        pool=write_noises(folder / "pool", N_POOL),
        ear=write_ear(folder / "ear.onnx"),
    )


Command = Callable[..., list[str]]


@pytest.fixture
def command(inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """`edge-export`'s arguments, all right but for those given; None leaves one out."""
    for name in ("XDG_CACHE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "system"))
    (tmp_path / "place").mkdir()

    def command(**changed: object) -> list[str]:
        options = {
            "labels": "siren,rain",
            "pool": inputs.pool,
            "checkpoint": inputs.checkpoint,
            "tokenizer": inputs.tokenizer,
            "out": tmp_path / "place" / "bundle",
            **changed,
        }
        given = {f"--{name.replace('_', '-')}": value for name, value in options.items() if value is not None}
        switches = [name for name, value in given.items() if value is True]
        return ["clap", *switches, *(f"{n}={v}" for n, v in given.items() if v is not True)]

    return command


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The folder in which the bundle is to be."""
    return tmp_path / "place"


@pytest.fixture
def refusal(capsys: pytest.CaptureFixture[str], place: Path) -> Callable[[list[str], int], str]:
    """Run a command that must fail with this exit code and leave its place as it was; what it says."""

    def refusal(arguments: list[str], exit_code: int) -> str:
        before = contents(place)
        capsys.readouterr()
        assert main(arguments) == exit_code
        output = capsys.readouterr()
        assert output.out == ""
        assert contents(place) == before
        return the_error(output.err)

    return refusal


def contents(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


Refusal = Callable[[list[str], int], str]


@pytest.fixture
def ear(monkeypatch: pytest.MonkeyPatch, inputs: Inputs) -> list[str]:
    """Have a graph that takes no time in the place of the audio encoders; what is beyond the limits of it."""
    beyond: list[str] = []
    monkeypatch.setattr(build, "make_encoders", encoders_like(inputs.ear, beyond))
    monkeypatch.setattr(sample, "N_CLIPS", N_POOL)  # which takes longer with more than the pool holds
    return beyond


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ("siren,Siren", 'label "Siren" is given twice'),
        ("dog bark,rain,Dog_Bark", 'label "Dog Bark" is given twice'),
        ("dog bark,dog-bark", "is given twice"),
        ("siren,,rain", '--labels "siren,,rain" holds an empty label'),
        ("siren, ", "holds an empty label"),
        ("", "holds an empty label"),
        ("_", "holds an empty label"),
        ("a\x07b", "cannot be shown"),
        ("x" * 201, "201 characters"),
        (None, "no labels"),
    ],
)
def test_labels_that_are_none(command: Command, refusal: Refusal, labels: str | None, words: str) -> None:
    assert words in refusal(command(labels=labels), 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "labels.txt cannot be read: No such file"),
        (b"siren\n\xff\n", "labels.txt is not UTF-8"),
        (b"# nothing yet\n\n", "no labels"),
        (b"siren\n_\n", "labels.txt: line 2 has no letters"),
        (b"siren\nrain\nsiren\n", 'label "siren" is given twice'),
    ],
)
def test_a_file_of_labels_that_is_none(
    command: Command, refusal: Refusal, tmp_path: Path, content: bytes | None, words: str
) -> None:
    path = tmp_path / "labels.txt"
    if content is not None:
        path.write_bytes(content)
    assert words in refusal(command(labels=None, labels_file=path), 2)


def test_a_label_in_the_file_and_on_the_command_line_too(
    command: Command, refusal: Refusal, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("Rain\n")
    assert "given twice" in refusal(command(labels_file=tmp_path / "labels.txt"), 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "a sound"}, "holds {label} 0 times"),
        ({"prompt": "{label} and {label}"}, "holds {label} 2 times"),
        ({"prompt": "{label}\n"}, "one line"),
        ({"k": 0}, "--k must be at least 1, not 0"),
        ({"window_s": 0.5}, "--window-s must be from 1 to 10 seconds, not 0.5"),
        ({"window_s": 10.5}, "--window-s must be from 1 to 10 seconds"),
        ({"window_s": "nan"}, "--window-s must be from 1 to 10 seconds"),
        ({"window_s": 3.00001}, "--window-s of 3.00001 s is 144000.48 samples"),
        ({"pool": None}, "--pool with a folder of recordings; or do without: --method zero-shot"),
        ({"pool": None, "labels": None}, "--pool with a folder"),
    ],
)
def test_settings_that_cannot_be(
    command: Command, refusal: Refusal, options: dict[str, object], words: str
) -> None:
    assert words in refusal(command(**options), 2)


def nothing_to_hear(folder: Path) -> None:
    import numpy as np  # noqa: PLC0415
    import soundfile  # noqa: PLC0415

    for number in range(9):
        soundfile.write(folder / f"{number}.wav", np.zeros(24000), 48000)


def no_audio(folder: Path) -> None:
    for number in range(9):
        (folder / f"{number}.wav").write_bytes(b"no audio at all" * 20)


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lambda folder: folder.rmdir(), "neither a folder here nor a data set known by name"),
        (Path.touch, "holds no audio: put recordings there"),
        (lambda folder: (folder / "notes.txt").write_text("bark"), "holds no audio"),
        (lambda folder: write_noises(folder, 7), "holds 7 recordings, and 8 are needed: add some, or use"),
        (no_audio, "none of the pool's 9 recordings can be used"),
        (nothing_to_hear, "nothing to hear"),
    ],
    ids=["not-there", "empty", "text", "seven", "broken", "silent"],
)
def test_a_pool_that_is_none(
    command: Command, refusal: Refusal, tmp_path: Path, fill: Callable[[Path], object], words: str
) -> None:
    pool = tmp_path / "of mine"
    pool.mkdir()
    fill(pool)
    message = refusal(command(pool=pool), 9)
    assert words in message
    assert "of mine" in message


def test_a_pool_that_is_a_file(command: Command, refusal: Refusal, inputs: Inputs) -> None:
    assert "is a file: give a folder of recordings" in refusal(command(pool=inputs.tokenizer), 9)


@pytest.mark.usefixtures("ear")
def test_recordings_that_are_broken_are_listed_and_left_out(
    command: Command, tmp_path: Path, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = write_noises(tmp_path / "pool", 9)
    whole = (pool / "1.wav").read_bytes()
    (pool / "cut.wav").write_bytes(whole[:20])
    (pool / "empty.flac").touch()
    (pool / "phone.m4a").write_bytes(b"\0\0\0\x20ftypM4A ")
    (pool / "again.wav").write_bytes(whole)
    (pool / "gone.wav").symlink_to(tmp_path / "elsewhere.wav")
    with caplog.at_level(logging.INFO):
        assert main(command(pool=pool)) == 0
    said = caplog.messages
    assert any(line.startswith("pool: 9 recordings, 9 windows") for line in said)
    assert any(line.startswith("4 could not be used:") for line in said)
    for name in ("cut.wav", "empty.flac", "phone.m4a", "gone.wav"):
        (line,) = [line for line in said if line.startswith(f"  {name}: ")]
        assert len(line) > len(name) + 10
    assert any(line.startswith("1 more hold the same bytes") for line in said)
    with (place / "bundle" / "attribution.csv").open(encoding="utf-8", newline="") as file:
        names = {row["file"] for row in csv.DictReader(file)}
    assert names <= {f"{number}.wav" for number in range(9)} | {"again.wav"}
    load_bundle(place / "bundle").verify()


@pytest.mark.usefixtures("ear")
def test_too_few_are_left_when_the_broken_are_left_out(
    command: Command, refusal: Refusal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pool = write_noises(tmp_path / "pool", 7)
    (pool / "broken.wav").write_bytes(b"no audio at all" * 20)
    with caplog.at_level(logging.INFO):
        message = refusal(command(pool=pool), 9)
    assert "7 recordings of use, and 8 are needed" in message
    assert any(line.startswith("  broken.wav: ") for line in caplog.messages)


class Hostile:
    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch '{self.sign}'",)


def test_a_checkpoint_that_would_run_code_does_not(
    command: Command, refusal: Refusal, tmp_path: Path
) -> None:
    sign = tmp_path / "it-ran"
    torch.save({"state_dict": flat_state(), "epoch": Hostile(sign)}, tmp_path / "hostile.pt")
    assert "which is never run" in refusal(command(checkpoint=tmp_path / "hostile.pt"), 3)
    assert not sign.exists()


def test_a_checkpoint_cut_in_half(command: Command, refusal: Refusal, inputs: Inputs, tmp_path: Path) -> None:
    path = tmp_path / "half.pt"
    shutil.copyfile(inputs.checkpoint, path)
    os.truncate(path, path.stat().st_size // 2)
    message = refusal(command(checkpoint=path), 3)
    assert "half.pt is cut short" in message
    assert "download it again" in message


def test_a_checkpoint_of_another_architecture(command: Command, refusal: Refusal, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    state = flat_state()
    state["audio_branch.layers.2.blocks.0.norm1.weight"] = torch.ones(512)
    save_laion(path, state)
    message = refusal(command(checkpoint=path), 3)
    assert "audio_branch.layers.2.blocks.0.norm1.weight must have shape [384], not [512]" in message
    torch.save({"state_dict": {"conv1.weight": torch.zeros(3)}}, path)
    assert "conv1.weight is not expected; a LAION-CLAP checkpoint" in refusal(command(checkpoint=path), 3)


def test_a_directory_without_weights(command: Command, refusal: Refusal, tmp_path: Path) -> None:
    write_transformers_settings(tmp_path / "downloaded", TINY)
    message = refusal(command(checkpoint=tmp_path / "downloaded"), 3)
    assert "downloaded holds neither model.safetensors nor" in message


def test_a_checkpoint_of_another_hash(command: Command, refusal: Refusal) -> None:
    assert "64 hexadecimal digits" in refusal(command(sha256="12"), 3)
    message = refusal(command(sha256="0" * 64), 3)
    assert f"not {'0' * 64} as --sha256 asks" in message


def test_a_checkpoint_of_no_known_name(command: Command, refusal: Refusal) -> None:
    message = refusal(command(checkpoint="630k-best-of-all"), 3)
    assert "'630k-best-of-all'" in message
    assert "630k-audioset-best, 630k-audioset-fusion-best" in message


def test_without_a_network_a_person_is_told_what_to_download_where(command: Command, tmp_path: Path) -> None:
    # In a process of its own, because huggingface_hub looks at this setting once.
    env = environment(tmp_path / "system")
    ended = run(EXPORT, *command(checkpoint=None)[1:], env=env)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr.count("\n") == 1
    page = "https://huggingface.co/lukewys/laion_clap/resolve/main/630k-audioset-best.pt"
    assert f"download {page} and give its path as --checkpoint" in the_error(ended.stderr)


def test_what_to_download_is_said_for_other_files_too(
    command: Command, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object) -> None:
        raise ConnectionError("no route to the hub. Here is what to read:\n1) …")

    monkeypatch.setattr(hub, "_download", unreachable)
    message = refusal(command(checkpoint="laion/clap-htsat-unfused"), 3)
    tree = "https://huggingface.co/laion/clap-htsat-unfused/tree/main"
    assert f"download the files of {tree} into a folder and give that as --checkpoint" in message
    assert "(no route to the hub)" in message
    message = refusal(command(tokenizer=None), 3)
    page = "https://huggingface.co/FacebookAI/roberta-base/resolve/main/tokenizer.json"
    assert f"download {page} and give its path as --tokenizer" in message


def test_a_tokenizer_that_is_not_robertas(command: Command, refusal: Refusal, tmp_path: Path) -> None:
    path = write_tokenizer(tmp_path / "bert.json", 30522)
    message = refusal(command(tokenizer=path), 2)
    assert "bert.json is not RoBERTa's tokenizer: it knows 30522 tokens, not 50265" in message
    path.write_text("{")
    assert "bert.json" in refusal(command(tokenizer=path), 2)
    assert "absent.json" in refusal(command(tokenizer=tmp_path / "absent.json"), 2)


def a_folder(out: Path) -> None:
    out.mkdir()
    (out / "letters.txt").write_text("dear")


@pytest.mark.parametrize("switches", [{}, {"replace": True}], ids=["new", "replace"])
@pytest.mark.parametrize(
    "put",
    [a_folder, Path.touch, lambda out: out.symlink_to("nowhere")],
    ids=["folder", "file", "broken link"],
)
def test_what_is_no_bundle_is_never_replaced(
    command: Command, refusal: Refusal, place: Path, put: Callable[[Path], object], switches: dict[str, bool]
) -> None:
    put(place / "bundle")
    # Before any work: neither pool nor checkpoint are looked at.
    message = refusal(command(**switches, pool="nowhere", checkpoint="nothing"), 3)
    assert "bundle exists and is not a bundle, so it is not replaced; choose another place" in message


@pytest.mark.usefixtures("ear")
def test_a_bundle_is_replaced_only_on_demand_and_nothing_is_embedded_again(
    command: Command, refusal: Refusal, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert main(command()) == 0
    first = load_bundle(place / "bundle")
    message = refusal(command(pool="nowhere", checkpoint="nothing"), 3)
    assert "bundle exists already" in message
    assert "--replace" in message
    with caplog.at_level(logging.INFO):
        assert main(command(replace=True, labels="rain")) == 0
    assert f"pool: {N_POOL} recordings, {N_POOL} windows; {N_POOL} were embedded before" in caplog.messages
    second = load_bundle(place / "bundle")
    assert [label.name for label in second.manifest.labels if label.kind == "label"] == ["rain"]
    assert second.sha256 != first.sha256
    assert [path.name for path in place.iterdir()] == ["bundle"]


def test_a_place_where_nothing_can_be_written_is_refused_before_any_work(
    command: Command, refusal: Refusal, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    unfit = [Path("/proc/bundle"), tmp_path / "file" / "bundle", tmp_path / "file" / "new" / "bundle"]
    if os.geteuid():
        (tmp_path / "closed").mkdir(mode=0o500)
        unfit.append(tmp_path / "closed" / "bundle")
    for out in unfit:
        message = refusal(command(out=out, pool="nowhere", checkpoint="nothing"), 3)
        assert f"{out} cannot be written: " in message
        assert "choose another place" in message


def test_an_encoder_beyond_the_limits_is_not_written_unless_accepted(
    command: Command, refusal: Refusal, place: Path, ear: list[str]
) -> None:
    ear.append("int8 to fp32: agreement 0.9 is below 0.97")
    message = refusal(command(), 4)
    assert "nothing is written: int8 to fp32: agreement 0.9 is below 0.97; --accept-parity" in message
    assert main(command(accept_parity=True)) == 0
    parity = load_bundle(place / "bundle").manifest.parity
    assert "agreement 0.9 is below 0.97" in str(parity["accepted_although"])


@pytest.mark.usefixtures("ear")
@pytest.mark.parametrize("switches", [{}, {"replace": True}], ids=["new", "replace"])
def test_ctrl_c_while_the_bundle_is_written_leaves_what_was_there(
    command: Command,
    place: Path,
    switches: dict[str, bool],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if switches:
        assert main(command(labels="rain")) == 0
    before = contents(place)
    capsys.readouterr()
    fsync, n_synced = os.fsync, 0

    def interrupted_fsync(descriptor: int) -> None:
        nonlocal n_synced
        n_synced += 1
        if n_synced == 3:
            raise KeyboardInterrupt
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", interrupted_fsync)
    assert main(command(**switches)) == 130
    assert n_synced == 3
    assert contents(place) == before
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == "edge-export: interrupted; the same command goes on where it stopped"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_encoders_are_made_leaves_nothing(
    command: Command, place: Path, tmp_path: Path, number: signal.Signals
) -> None:
    env = environment(tmp_path / "system")
    process = start(QUICK_EXPORT, *command()[1:], env=env)
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if line.startswith("exporting the audio encoder"):
            process.send_signal(number)
    assert process.wait() == 130
    assert said[-1] == "edge-export: interrupted; the same command goes on where it stopped\n"
    assert "Traceback" not in "".join(said)
    assert list(place.iterdir()) == []
    assert list(Path(env["TMPDIR"]).iterdir()) == []


def limited(program: tuple[str, ...], largest_file: int) -> tuple[str, ...]:
    """A program to which a file of more bytes is as a full disk."""
    limit = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, 2 * [int(sys.argv[1])]); "
    return (sys.executable, "-c", limit + "os.execv(sys.argv[2], sys.argv[2:])", str(largest_file), *program)


def test_a_full_disk_for_temporary_files(command: Command, place: Path, tmp_path: Path) -> None:
    env = environment(tmp_path / "system")
    ended = run(limited(QUICK_EXPORT, 1_000_000), *command(method="zero-shot", pool=None)[1:], env=env)
    assert ended.returncode == 1
    message = the_error(ended.stderr)
    assert env["TMPDIR"] in message
    assert "TMPDIR name another folder" in message
    assert list(place.iterdir()) == []
    assert list(Path(env["TMPDIR"]).iterdir()) == []


ON_TMPFS = """
mount -t tmpfs -o size=400k tmpfs "$0" || exit 99
"$@"
code=$?
ls -A "$0"
exit $code
"""


def on_tmpfs(program: tuple[str, ...], place: Path) -> tuple[str, ...]:
    """A program to which a folder is a disk of its own, with room for 400 kB; lists what is left there."""
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", ON_TMPFS, str(place), *program)


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(on_tmpfs(("true",), Path("/mnt")), capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("disk", ["limit on files", *(["tmpfs"] if can_mount() else [])])
def test_a_disk_that_fills_up_while_the_bundle_is_written(
    command: Command, place: Path, tmp_path: Path, inputs: Inputs, disk: str
) -> None:
    env = environment(tmp_path / "system")
    # Less than a golden file has, and more than any before it.
    program = on_tmpfs(EAR_EXPORT, place) if disk == "tmpfs" else limited(EAR_EXPORT, 200_000)
    ended = run(program, inputs.ear, *command()[1:], env=env)
    assert (ended.returncode, ended.stdout) == (3, "")
    message = the_error(ended.stderr)
    assert f"{place / 'bundle'} cannot be written: " in message
    assert ("No space left" if disk == "tmpfs" else "File too large") in message
    assert "free the disk or choose another place" in message
    assert list(place.iterdir()) == []
    assert list(Path(env["TMPDIR"]).iterdir()) == []


def test_a_cache_that_cannot_be_kept_is_named(command: Command, refusal: Refusal, ear: list[str]) -> None:
    assert ear == []
    message = refusal(command(cache="/proc/embeddings"), 9)
    assert "/proc/embeddings: embeddings cannot be kept there" in message
    assert "--cache" in message


def test_a_fault_of_the_program_is_one_line_too(
    command: Command, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def faulty(*_: object) -> None:
        raise ValueError("first line\nsecond line")

    monkeypatch.setattr(build, "find_recordings", faulty)
    message = refusal(command(), 1)
    assert "ValueError: first line second line (a fault in edge-export: --debug shows where)" in message


@pytest.mark.parametrize("place_of_debug", ["before the command", "after it"])
def test_debug_shows_where(command: Command, place: Path, place_of_debug: str) -> None:
    (place / "bundle").mkdir()
    name, *options = command()
    arguments = (
        ["--debug", name, *options] if place_of_debug == "before the command" else [name, *options, "--debug"]
    )
    with pytest.raises(BundleError):
        main(arguments)


def test_help_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["clap", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "630k-audioset-fusion-best",
        "esc50, urbansound8k or fsd50k",
        ".91 against .96",
        "edge-listen --bundle",
    ):
        assert words in text
