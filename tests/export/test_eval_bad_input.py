"""What a person can get wrong with `edge-eval`: one line that says what to do, and nothing is written."""

from __future__ import annotations

import csv
import pickle
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

for needed in ("sklearn", "scipy", "matplotlib", "tqdm", "onnx", "onnxruntime", "tokenizers"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `eval`, `cpu`, `text` and `test`")

from evaluation_material import (  # noqa: E402 - after the skip
    ESC50_CLASSES,
    write_csv,
    write_esc50,
    write_folder,
    write_sounds,
)
from synthetic_bundle import (  # noqa: E402
    EMBEDDING_DIM,
    replace_file,
    write_synthetic_bundle,
)
from synthetic_text import write_text_bundle  # noqa: E402

from export.evaluation.cli import main  # noqa: E402

N_CLIPS, N_POOL = 18, 12
"""Of the folder of tones: two of each of three classes in each of three folds, of which two are a pool."""


@dataclass(frozen=True)
class Right:
    """What is right, so that a test can make one thing wrong.

    Attributes:
        words: a bundle with a text encoder.
        tones: one without; its labels are dog bark, siren and alarm beep.
        sounds: audio files by class.
        folder: a folder of clips with a table; `words` can read its classes.
        esc50: the true layout.
        saved: embeddings of `folder` by `words`.
        cache: what was embedded.
    """

    words: Path
    tones: Path
    sounds: dict[str, Path]
    folder: Path
    esc50: Path
    saved: Path
    cache: Path


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Right:
    place = tmp_path_factory.mktemp("right")
    sounds = write_sounds(place / "sounds", ["kettle", "hum", "rain"])
    made = Right(
        words=write_text_bundle(place / "words").directory,
        tones=write_synthetic_bundle(place / "tones").directory,
        sounds=sounds,
        folder=write_folder(place / "small", sounds),
        esc50=write_esc50(place / "ESC-50", dict.fromkeys(ESC50_CLASSES, sounds["hum"])),
        saved=place / "saved" / "small.npz",
        cache=place / "cache",
    )
    assert main(arguments("folder", made, save_embeddings=place / "saved")) == 0
    return made


def arguments(command: str, right: Right, **changed: object) -> list[str]:
    """A command's arguments, all right but for those given; None leaves one out."""
    options: dict[str, object] = {"data": right.folder, "bundle": right.words, "cache": right.cache, "k": 3}
    if command == "stream":
        options = {"data": right.folder, "bundle": right.tones, "labels": "siren", "work": "work"}
    given = [command]
    for name, value in {**options, **changed}.items():
        option = f"--{name.replace('_', '-')}"
        if name == "data" and isinstance(value, list):
            given += [option, *map(str, value)]
        elif value is not None:
            given += [f"{option}={one}" for one in (value if isinstance(value, list) else [value])]
    return given


Refusal = Callable[..., str]


@pytest.fixture
def refusal(
    right: Right, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Refusal:
    """Run a command that must fail with this exit code and leave no file; what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "system"))

    def refusal(command: str, exit_code: int, **changed: object) -> str:
        before = files_in(tmp_path)
        capsys.readouterr()
        assert main(arguments(command, right, **changed)) == exit_code
        output = capsys.readouterr()
        assert output.out == ""
        assert files_in(tmp_path) == before
        assert "Traceback" not in output.err
        lines = output.err.splitlines()
        (error,) = (line for line in lines if line.startswith("edge-eval: error: "))
        assert error == lines[-1]
        assert "a fault in edge-eval" not in error
        return error

    return refusal


def files_in(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", ["folder", "paper"])
@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        ({"k": 0}, 2, "--k must be at least 1, not 0"),
        ({"k": 13}, 2, f"--k 13 is more than the {N_POOL} clips of small's smallest pool: lower it"),
        ({"seed": -1}, 2, "--seed must be from 0 to 4294967295, not -1"),
        ({"hop_s": 0}, 2, "--hop-s must be above 0 and at most the window's 2.585 s, not 0"),
        ({"hop_s": 2.6}, 2, "--hop-s must be above 0 and at most the window's 2.585 s, not 2.6"),
        ({"hop_s": 0.48001}, 2, "--hop-s of 0.48001 s is 7680.16 samples at 16000 Hz"),
        ({"hop_s": -0.5}, 2, "--hop-s must be 0 seconds or more, not -0.5"),
        ({"hop_s": "nan"}, 2, "--hop-s must be 0 seconds or more, not nan"),
        ({"encoder": "int8"}, 3, 'no encoder "int8"; the bundle has: fp32'),
        ({"bundle": "nowhere"}, 3, "no bundle at nowhere: there is no such directory; check its name"),
        ({"bundle": "."}, 3, "is not a bundle: it holds no file manifest.json"),
        ({"data": "nowhere"}, 7, "nowhere: does not exist; name the folder of a data set"),
        ({"data": "."}, 7, "holds no known data set, neither itself nor in a folder of it; looked for"),
        ({"embeddings": "nowhere.npz"}, 10, "nowhere.npz cannot be read as embeddings (No such file"),
        ({"embeddings": "."}, 10, "cannot be read as embeddings (Is a directory)"),
    ],
)
def test_an_option_that_cannot_be(
    refusal: Refusal, command: str, options: dict[str, object], exit_code: int, words: str
) -> None:
    assert words in refusal(command, exit_code, **options)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("a sound", "prompt 'a sound' holds {label} 0 times; it must hold it once, such as"),
        ("{label} or {label}", "holds {label} 2 times"),
        ("{label}\n", "must be printable text of one line"),
    ],
)
def test_a_prompt_that_is_none(refusal: Refusal, prompt: str, words: str) -> None:
    assert words in refusal("folder", 2, prompt=prompt)


@pytest.mark.parametrize("command", ["folder", "paper", "stream"])
def test_a_report_that_cannot_be_written(
    refusal: Refusal, tmp_path: Path, command: str, right: Right
) -> None:
    (tmp_path / "notes").write_text("of mine")
    more: dict[str, object] = {}
    if command == "stream":
        more["data"] = write_folder(
            tmp_path / "data", {"siren": right.sounds["hum"], "x": right.sounds["rain"]}
        )
    for out in ("notes", "notes/report"):
        said = refusal(command, 1, out=out, **more)
        assert f"{out}: the report cannot be written there" in said
        assert "name another folder with --out" in said


@pytest.mark.parametrize(
    ("option", "exit_code", "words"),
    [
        (
            "cache",
            9,
            "notes: embeddings cannot be kept there (File exists); name another folder with --cache",
        ),
        ("save_embeddings", 10, "notes: embeddings cannot be saved there (File exists)"),
    ],
)
@pytest.mark.parametrize("command", ["folder", "paper"])
def test_a_folder_that_is_a_file(
    refusal: Refusal, tmp_path: Path, command: str, option: str, exit_code: int, words: str
) -> None:
    (tmp_path / "notes").write_text("of mine")
    assert words in refusal(command, exit_code, **{option: "notes"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no sound at all", "is not audio in a format known here"),
        (b"", "is empty (0 bytes)"),
        (None, "holds no sound"),
    ],
)
@pytest.mark.parametrize("command", ["folder", "paper"])
def test_a_clip_that_cannot_be_decoded_is_named(
    refusal: Refusal, right: Right, tmp_path: Path, command: str, content: bytes | None, words: str
) -> None:
    data = write_folder(tmp_path / "data", right.sounds)
    clip = data / "audio" / "hum-2-1.wav"
    clip.unlink()
    if content is None:
        soundfile.write(clip, np.zeros(0), 16000)
    else:
        clip.write_bytes(content)
    said = refusal(command, 7, data=data, out="report")
    assert f"{clip} {words}" in said


def test_a_clip_that_is_not_there_is_named(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "data", right.sounds)
    (data / "audio" / "hum-2-1.wav").unlink()
    said = refusal("folder", 7, data=data)
    assert f"{data}: 1 of {N_CLIPS} audio files are missing: hum-2-1.wav" in said


def test_a_folder_of_one_fold_or_of_one_class(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    data = write_folder(tmp_path / "a", right.sounds, folds=("1",))
    assert "clips.csv: needs two folds at least, and has but '1'" in refusal("folder", 7, data=data)
    data = write_folder(tmp_path / "b", {"hum": right.sounds["hum"]})
    assert "clips.csv: needs two classes at least, and has but 'hum'" in refusal("folder", 7, data=data)


def test_a_data_set_of_another_kind(refusal: Refusal, right: Right) -> None:
    said = refusal("esc50", 7, bundle=None)
    assert "meta/esc50.csv: there is no such file; give the folder of an unpacked ESC-50 download" in said
    said = refusal("paper", 7, data=right.esc50 / "audio")
    assert "looked for meta/esc50.csv or esc50.csv (ESC-50); metadata/UrbanSound8K.csv" in said


def test_esc50_without_a_fold(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    data = tmp_path / "ESC-50"
    shutil.copytree(right.esc50, data, symlinks=True)
    table = data / "meta" / "esc50.csv"
    with table.open(newline="") as file:
        rows = list(csv.reader(file))
    write_csv(table, [row for row in rows if row[1] != "4"])
    said = refusal("esc50", 7, data=data, bundle=None)
    assert "fold 4 is missing: ESC-50 has folds 1 to 5; download it again" in said


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (("kettle", "hum"), "has labels for 0 of data's 2 classes (not for hum, kettle)"),
        (("siren", "hum"), "has labels for 1 of data's 2 classes (not for hum)"),
        (("siren", "rain"), "has labels for 1 of data's 2 classes (not for rain)"),  # a background
    ],
)
def test_classes_that_are_no_labels_where_there_is_no_text_encoder(
    refusal: Refusal, right: Right, tmp_path: Path, classes: tuple[str, ...], words: str
) -> None:
    data = write_folder(tmp_path / "data", dict.fromkeys(classes, right.sounds["hum"]))
    said = refusal("folder", 2, data=data, bundle=right.tones)
    assert words in said
    assert "no text encoder to make them: export it with these labels, or with --text-encoder" in said


def test_the_paper_needs_embeddings_and_texts(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    said = refusal("paper", 2, bundle=None)
    assert "say what embeds: --bundle with a CLAP bundle, or --embeddings made elsewhere" in said
    # Told before anything is embedded.
    said = refusal("paper", 2, bundle=right.tones, cache=tmp_path / "cache")
    assert 'no text for 3 of small\'s classes, such as "This is a sound of hum"' in said
    assert "give a --bundle with a text encoder (edge-export clap --text-encoder)" in said
    without_texts = saved_but(right, tmp_path, **NO_TEXTS)
    said = refusal("paper", 2, bundle=None, embeddings=without_texts)
    assert "or --embeddings that hold these sentences" in said
    said = refusal("paper", 10, bundle=None, embeddings=right.saved, data=[right.folder, right.esc50])
    assert "there are no embeddings of ESC-50 (only of small): give a --bundle to make them" in said


def test_a_data_set_given_twice(refusal: Refusal, right: Right) -> None:
    said = refusal("paper", 2, data=[right.folder, right.esc50, right.folder])
    assert "--data names small twice: once is enough" in said


def saved_but(right: Right, folder: Path, **changed: object) -> Path:
    """The embeddings that are right, with some arrays changed, and those that are None left out."""
    with np.load(right.saved) as file:
        arrays = {**dict(file), **changed}
    path = folder / "changed.npz"
    np.savez(path, **{key: array for key, array in arrays.items() if array is not None})
    return path


def vectors(right: Right) -> np.ndarray:
    with np.load(right.saved) as file:
        return file["vectors"]


def with_row(right: Right, place: int, value: float) -> np.ndarray:
    changed = vectors(right)
    changed[place] = value
    return changed


NO_TEXTS = {"sentences": np.array([], np.str_), "sentence_vectors": np.zeros((0, EMBEDDING_DIM))}
Change = Callable[[Right], dict[str, object]]


@pytest.mark.parametrize("command", ["folder", "paper"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda _: {"encoder_sha256": np.array("e" * 64)},
            "made with encoder eeeeeeeeeeee, but the bundle's is ",
        ),
        (
            lambda right: {"vectors": vectors(right)[:, :20], **NO_TEXTS},
            "embeddings have 20 dimensions, the bundle's encoder yields 32: they are another encoder's",
        ),
        (
            lambda right: {"vectors": vectors(right)[:, :20]},
            "sentence_vectors have 32 dimensions and vectors 20: both must be of one model's space",
        ),
        (
            lambda _: {"dataset": np.array("esc50")},
            "holds embeddings of 'esc50', but --data holds small: give the file that was saved for that",
        ),
        (
            lambda right: {"vectors": vectors(right)[:-2], "names": names(right)[:-2]},
            f"lacks 2 of {N_CLIPS} clips of small, the first is rain-3-0.wav: embed the whole data set",
        ),
        (
            lambda right: {"vectors": with_row(right, 3, 0.0)},
            f"1 of {N_CLIPS} rows of vectors are zero or not finite, the first is that of kettle-1-1.wav",
        ),
        (
            lambda right: {"vectors": with_row(right, 0, np.nan)},
            f"1 of {N_CLIPS} rows of vectors are zero or not finite, the first is that of hum-1-0.wav",
        ),
        (
            lambda right: {"vectors": (100 * vectors(right)).astype(int)},
            "vectors must be float (18, dim), a row for each name, not int64 (18, 32)",
        ),
        (lambda right: {"vectors": vectors(right)[:-1]}, "a row for each name, not float32 (17, 32)"),
        (
            lambda _: {"sentences": np.array([], np.str_)},
            "sentence_vectors must be float (n, dim), a row for each sentence, not float32 (3, 32)",
        ),
        (lambda _: {"how": None}, "holds no array 'how': it must hold dataset, names, vectors"),
        (
            lambda right: {"names": names(right).astype(object)},
            "cannot be read as embeddings (Object arrays cannot be loaded",
        ),
    ],
)
def test_embeddings_that_do_not_fit(
    refusal: Refusal, right: Right, tmp_path: Path, command: str, change: Change, words: str
) -> None:
    path = saved_but(right, tmp_path, **change(right))
    said = refusal(command, 10, embeddings=path)
    assert str(path) in said
    assert words in said


def names(right: Right) -> np.ndarray:
    with np.load(right.saved) as file:
        return file["names"]


@pytest.mark.parametrize(
    "content",
    [b"", b"filename,vector\n1.wav,0.5\n", pickle.dumps({"vectors": [1.0]})],
    ids=["empty", "text", "pickled"],
)
def test_a_file_that_holds_no_embeddings(refusal: Refusal, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.npz").write_bytes(content)
    said = refusal("folder", 10, embeddings="other.npz")
    assert "other.npz is no npz file: give one saved with --save-embeddings" in said
    assert "unsafe" not in said  # as numpy advises


def test_a_file_that_was_damaged_or_cut_short(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    whole, path = right.saved.read_bytes(), tmp_path / "damaged.npz"
    path.write_bytes(whole[: len(whole) // 2])
    assert "damaged.npz is no npz file" in refusal("folder", 10, embeddings=path)
    place = whole.index(vectors(right).tobytes())
    path.write_bytes(whole[:place] + b"\x00\x01" + whole[place + 2 :])
    assert "damaged.npz cannot be read as embeddings (Bad CRC-32" in refusal("folder", 10, embeddings=path)


def test_files_that_are_mixed_up(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    copy = shutil.copy(right.saved, tmp_path / "copy.npz")
    said = refusal("paper", 10, embeddings=[right.saved, copy])
    assert f"copy.npz and {right.saved} both hold embeddings of small: give one" in said
    other = saved_but(right, tmp_path, dataset=np.array("esc50"), encoder_sha256=np.array("e" * 64))
    said = refusal("paper", 10, bundle=None, embeddings=[right.saved, other])
    assert f"changed.npz and {right.saved} are of different encoders: embed both with one" in said


@pytest.fixture
def trained(tmp_path_factory: pytest.TempPathFactory, right: Right) -> Path:
    """The bundle of tones as if trained on folds 1, 2, 3 and 5 of ESC-50."""
    bundle = write_synthetic_bundle(tmp_path_factory.mktemp("trained") / "bundle").directory
    return trained_on(bundle, [p.name for p in (right.esc50 / "audio").iterdir() if p.name[0] != "4"])


def trained_on(bundle: Path, clips: list[str]) -> Path:
    rows = "".join(f"{clip},somebody,CC0,somewhere\n" for clip in clips)
    replace_file(bundle, "attribution.csv", f"file,author,licence,source\n{rows}".encode())
    return bundle


def test_a_final_look_by_a_bundle_that_kept_no_fold(refusal: Refusal, right: Right, tmp_path: Path) -> None:
    log = tmp_path / "looks.csv"
    for bundle, name in ((None, "edge-listen starter"), (right.words, "synthetic words")):
        said = refusal("esc50", 2, bundle=bundle, data=right.esc50, final=log)
        assert f"--final: the bundle {name} was not trained on ESC-50 with a fold kept" in said
    data = write_folder(tmp_path / "data", {"siren": right.sounds["hum"], "x": right.sounds["rain"]})
    said = refusal("stream", 2, data=data, final=log)
    assert "--final: the bundle synthetic tones was not trained on data with a fold kept" in said
    assert not log.exists()


def test_a_log_of_looks_that_cannot_be_written(
    refusal: Refusal, right: Right, trained: Path, tmp_path: Path
) -> None:
    log = tmp_path / "nowhere" / "looks.csv"
    said = refusal("esc50", 2, bundle=trained, data=right.esc50, final=log)
    assert f"{log}: looks can't be counted there, for its folder doesn't exist" in said


def test_a_yamnet_that_is_missing_costs_no_look(
    refusal: Refusal, right: Right, trained: Path, tmp_path: Path
) -> None:
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert, from the extra `teacher`")
    log = tmp_path / "looks.csv"
    said = refusal("esc50", 8, bundle=trained, data=right.esc50, yamnet="yamnet.tflite", final=log)
    assert "yamnet.tflite: not there; fetch YAMNet Lite" in said
    assert not log.exists()


def test_nothing_is_left_that_the_bundle_was_not_made_from(
    refusal: Refusal, right: Right, trained: Path
) -> None:
    said = refusal("esc50", 2, bundle=trained, data=right.esc50)
    assert (
        "ESC-50 holds no clip that may be judged: the bundle synthetic tones was trained on 64 of its 80"
        in said
    )
    assert "its fold 4 is kept for final figures; take other data or another --bundle" in said
    said = refusal("stream", 2, bundle=trained, data=right.esc50)
    assert "no clip of ESC-50 can be played: the bundle was made from them, or they are kept" in said


def test_an_attribution_that_is_no_table(refusal: Refusal, right: Right, trained: Path) -> None:
    replace_file(trained, "attribution.csv", b"whose\nmine\n")
    said = refusal("esc50", 3, bundle=trained, data=right.esc50)
    assert "attribution.csv is no table with a column file; copy the bundle again" in said


@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        ({"labels": "unicorn"}, 2, 'no label "unicorn"; see all with: edge-listen labels'),
        ({"labels": "siren,,dog"}, 2, "separate names by single commas"),
        (
            {"labels": "alarm beep"},
            2,
            "no clip of data that can be played is of alarm beep: take other labels",
        ),
        ({"folds": 9}, 2, "data has no fold '9', only 1, 2, 3"),
        ({"snr_db": "inf"}, 2, "--snr-db must be ratios in dB such as 0 10 20"),
        ({"minutes": -3}, 2, "--minutes must be 0, or 0.17 at least"),
        ({"minutes": "nan"}, 2, "--minutes must be 0, or 0.17 at least"),
        ({"seed": -1}, 2, "--seed must be 0 or more, not -1"),
        ({"bundle": "nowhere"}, 3, "no bundle at nowhere"),
        ({"data": "nowhere"}, 7, "nowhere: does not exist; name the folder of a data set"),
    ],
)
def test_a_stream_that_cannot_be(
    refusal: Refusal,
    right: Right,
    tmp_path: Path,
    options: dict[str, object],
    exit_code: int,
    words: str,
) -> None:
    sounds = {"siren": right.sounds["hum"], "dog bark": right.sounds["kettle"], "x": right.sounds["rain"]}
    data = write_folder(tmp_path / "data", sounds)
    assert words in refusal("stream", exit_code, **{"data": data, **options})


def test_a_stream_of_classes_that_are_no_labels(refusal: Refusal) -> None:
    said = refusal("stream", 2, labels="all")
    assert "no class of small is one of the bundle's labels: take other data" in said
    assert "no clip of small that can be played is of siren" in refusal("stream", 2)


@pytest.mark.parametrize(
    "options",
    [["--k=few"], ["--hop-s=slow"], ["--provider=abacus"], ["--seed=1.5"], ["--unknown"], []],
)
def test_a_command_line_that_is_none_is_explained_by_its_usage(
    capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    given = ["folder", "--data=.", *options] if options else ["folder"]
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("usage: edge-eval")
    assert "error: " in said.splitlines()[-1]
