"""The data sets that the evaluation judges by: what is read of them, and how each kind of damage is told."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("soxr")
from evaluation_material import (
    ESC50_CLASSES,
    FSD50K_CLASSES,
    FSD50K_SIZES,
    URBANSOUND8K_CLASSES,
    URBANSOUND8K_SIZES,
    write_csv,
    write_esc50,
    write_folder,
    write_fsd50k,
    write_sounds,
    write_urbansound8k,
)

from export.evaluation.datasets import fsd50k as fsd50k_loader
from export.evaluation.datasets.dataset import Dataset, DatasetError, LabelledClip, Split, check_files
from export.evaluation.datasets.esc50 import load_esc10, load_esc50
from export.evaluation.datasets.find import find_dataset
from export.evaluation.datasets.folder import load_folder
from export.evaluation.datasets.fsd50k import load_fsd50k
from export.evaluation.datasets.urbansound8k import load_urbansound8k

Damage = Callable[[Path], object]
ESC50_TABLE = "meta/esc50.csv"
URBANSOUND8K_TABLE = "metadata/UrbanSound8K.csv"
DEV, EVAL, VOCABULARY = (f"FSD50K.ground_truth/{name}.csv" for name in ("dev", "eval", "vocabulary"))
DEV_NOTES = "FSD50K.metadata/dev_clips_info_FSD50K.json"
SMALL_FSD50K_SIZES = {"train": 500, "val": 100, "eval": 210}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "one.wav"
    soundfile.write(path, np.zeros(100), 16000)
    return path


@pytest.fixture(scope="module")
def whole_esc50(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_esc50(tmp_path_factory.mktemp("whole") / "ESC-50", dict.fromkeys(ESC50_CLASSES, sound))


@pytest.fixture(scope="module")
def whole_urbansound8k(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whole") / "UrbanSound8K"
    return write_urbansound8k(place, dict.fromkeys(URBANSOUND8K_CLASSES, sound))


@pytest.fixture
def esc50(whole_esc50: Path, tmp_path: Path) -> Path:
    return to_be_damaged(whole_esc50, tmp_path / "ESC-50")


@pytest.fixture
def urbansound8k(whole_urbansound8k: Path, tmp_path: Path) -> Path:
    return to_be_damaged(whole_urbansound8k, tmp_path / "UrbanSound8K")


@pytest.fixture
def fsd50k(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small one that passes for whole: the true one takes seconds."""
    monkeypatch.setattr(fsd50k_loader, "CLIPS_PER_FOLD", SMALL_FSD50K_SIZES)
    return write_fsd50k(tmp_path / "FSD50K", dict.fromkeys(FSD50K_CLASSES, sound), SMALL_FSD50K_SIZES)


@pytest.fixture
def own(sound: Path, tmp_path: Path) -> Path:
    """Anybody's data set: three folds, two clips of cough and of snore in each."""
    return write_folder(tmp_path / "My Sounds", {"snore": sound, "cough": sound})


def to_be_damaged(whole: Path, place: Path) -> Path:
    """A copy whose tables are its own, while its folders of audio are links to the whole one's."""
    place.mkdir()
    for path in whole.iterdir():
        if path.is_file():
            shutil.copy(path, place)
        elif "audio" in path.name:
            (place / path.name).symlink_to(path)
        else:
            shutil.copytree(path, place / path.name)
    return place


def edit(table: str, change: Callable[[str], str]) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / table
        before = path.read_text(encoding="utf-8")
        after = change(before)
        assert after != before
        path.write_text(after, encoding="utf-8")

    return damage


def replace(table: str, old: str, new: str) -> Damage:
    """In the first line that has it."""
    return edit(table, lambda text: text.replace(old, new, 1))


def keep(table: str, wanted: Callable[[str], bool]) -> Damage:
    return edit(table, lambda text: "".join(filter(wanted, text.splitlines(keepends=True))))


def bytes_of(table: str, content: bytes) -> Damage:
    return lambda folder: (folder / table).write_bytes(content)


def the_error(load: Callable[[Path], Dataset], folder: Path, pattern: str | None = None) -> str:
    """What is told of it: one line, that names the folder."""
    with pytest.raises(DatasetError, match=pattern) as caught:
        load(folder)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert str(folder) in message
    return message


def sizes(dataset: Dataset) -> dict[str, int]:
    return dict(Counter(clip.fold for clip in dataset.clips))


def clip_named(dataset: Dataset, name: str) -> LabelledClip:
    return next(clip for clip in dataset.clips if clip.name == name)


def heard(dataset: Dataset, name: str) -> list[str]:
    return [dataset.classes[place] for place in clip_named(dataset, name).classes]


def assert_leaves_one_out(dataset: Dataset, folds: Sequence[str]) -> None:
    assert [split.test for split in dataset.splits] == list(folds)
    for split in dataset.splits:
        assert split.train == tuple(fold for fold in folds if fold != split.test)


# ESC-50


def test_esc50_has_five_folds_of_400_and_its_classes_in_order(whole_esc50: Path) -> None:
    dataset = load_esc50(whole_esc50)
    assert (dataset.name, dataset.title, dataset.multi_label) == ("esc50", "ESC-50", False)
    assert dataset.classes == ESC50_CLASSES
    assert sizes(dataset) == dict.fromkeys("12345", 400)
    assert_leaves_one_out(dataset, "12345")
    clip = clip_named(dataset, "2-10001-A-0.wav")
    assert (clip.fold, clip.classes, clip.source) == ("2", (0,), "10001")
    assert clip.path.is_file()
    assert [(c.fold, c.name) for c in dataset.clips] == sorted((c.fold, c.name) for c in dataset.clips)


def test_esc10_is_the_ten_classes_numbered_anew(whole_esc50: Path) -> None:
    fifty, ten = load_esc50(whole_esc50), load_esc10(whole_esc50)
    assert (ten.name, ten.title) == ("esc10", "ESC-10")
    assert sizes(ten) == dict.fromkeys("12345", 80)
    assert set(Counter(clip.classes for clip in ten.clips).values()) == {40}
    assert sorted(ten.classes, key=ESC50_CLASSES.index) == list(ten.classes)
    for clip in ten.clips:
        assert heard(ten, clip.name) == heard(fifty, clip.name)


@pytest.mark.parametrize(("load", "n_classes", "per_fold"), [(load_esc50, 50, 400), (load_esc10, 10, 80)])
def test_the_folder_here_is_whole(
    shared_data: Path, load: Callable[[Path], Dataset], n_classes: int, per_fold: int
) -> None:
    dataset = load(shared_data / "esc50")
    assert len(dataset.classes) == n_classes
    assert sizes(dataset) == dict.fromkeys("12345", per_fold)
    assert set(Counter(clip.classes for clip in dataset.clips).values()) == {40}
    assert heard(dataset, "1-100032-A-0.wav") == ["dog"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda root: (root / ESC50_TABLE).unlink(),
            "meta/esc50.csv: there is no such file; give the folder",
        ),
        (lambda root: (root / "LICENSE").unlink(), "LICENSE: missing"),
        (bytes_of(ESC50_TABLE, b""), "the table is empty"),
        (keep(ESC50_TABLE, lambda line: "filename" in line), "the table is empty"),
        (bytes_of(ESC50_TABLE, b"a,b\n1,2\n"), "column filename is missing"),
        (bytes_of(ESC50_TABLE, "filename,fold,target,category\nä".encode("latin-1")), "is not text in UTF-8"),
        (bytes_of(ESC50_TABLE, b"filename,fold,target,category\n" + b"a" * 200000), "is no CSV"),
        (replace(ESC50_TABLE, ",target,", ",number,"), "column target is missing"),
        (replace(ESC50_TABLE, "A-0.wav,1,0", "A-0.wav,one,0"), "fold 'one' is no whole number"),
        (replace(ESC50_TABLE, "A-0.wav,1,0", "A-0.wav,1.0,0"), r"fold '1\.0' is no whole number"),
        (replace(ESC50_TABLE, "A-0.wav,1,0", "A-0.wav,6,0"), "is in fold 6, of folds 1 to 5"),
        (replace(ESC50_TABLE, "A-0.wav,1,0", "A-0.wav,,0"), "line 2 has no fold"),
        (replace(ESC50_TABLE, "A-0.wav,1,0,dog", "A-0.wav,1,0"), "line 2 has 6 cells, not 7"),
        (replace(ESC50_TABLE, "1-10000-A-0.wav", "dog.wav"), "'dog.wav' is no ESC-50 clip's name"),
        (replace(ESC50_TABLE, ",dog,", ",wolf,"), "class 0 is called 'wolf', which ESC-50 has not"),
        (replace(ESC50_TABLE, ",0,dog,", ",50,dog,"), "class 50 is called 'dog'"),
        (replace(ESC50_TABLE, "dog", '"do\ng"'), r"category 'do\\ng' holds a control character"),
        (keep(ESC50_TABLE, lambda line: not line.startswith("4-")), "fold 4 is missing"),
        (replace(ESC50_TABLE, "2-10001-A-0.wav,2", "2-10001-A-0.wav,1"), "fold 1 has 401 clips, not 400"),
        (replace(ESC50_TABLE, "2-10001-A-0.wav", "1-10000-A-0.wav"), "1-10000-A-0.wav is listed 2 times"),
        (
            edit(ESC50_TABLE, lambda text: text.replace("0-A-0.wav", "0-A-7.wav")),
            "4 audio files are missing, the first is .*1-10000-A-7.wav; give the folder",
        ),
    ],
)
def test_a_damaged_esc50_is_refused(esc50: Path, damage: Damage, message: str) -> None:
    damage(esc50)
    the_error(load_esc50, esc50, message)


def test_a_damaged_esc50_is_no_esc10_either(esc50: Path) -> None:
    replace(ESC50_TABLE, "2-10001-A-0.wav,2", "2-10001-A-0.wav,1")(esc50)
    the_error(load_esc10, esc50, "fold 1 has 401 clips, not 400")


def test_the_annotated_table_needs_to_tell_the_files(esc50: Path) -> None:
    (esc50 / ESC50_TABLE).rename(esc50 / "esc50.csv")
    assert "esc50.csv: column file is missing" in the_error(load_esc50, esc50)


def test_a_table_with_a_byte_order_mark_is_read(own: Path) -> None:
    edit("clips.csv", lambda text: "\ufeff" + text)(own)
    assert len(load_folder(own).clips) == 12


# UrbanSound8K


def test_urbansound8k_has_ten_folds_of_their_sizes(whole_urbansound8k: Path) -> None:
    dataset = load_urbansound8k(whole_urbansound8k)
    assert (dataset.name, dataset.title, dataset.multi_label) == ("urbansound8k", "UrbanSound8K", False)
    assert dataset.classes == URBANSOUND8K_CLASSES
    assert len(dataset.clips) == 8732
    folds = [str(fold) for fold in range(1, 11)]
    assert sizes(dataset) == dict(zip(folds, map(sum, URBANSOUND8K_SIZES), strict=True))
    assert list(sizes(dataset)) == folds
    assert_leaves_one_out(dataset, folds)
    clip = clip_named(dataset, "1003024-3-0-3.wav")
    assert (clip.fold, heard(dataset, clip.name), clip.source) == ("10", ["dog_bark"], "1003024")
    assert clip.path == whole_urbansound8k / "audio" / "fold10" / clip.name


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / URBANSOUND8K_TABLE).unlink(), r"UrbanSound8K\.csv: there is no such file"),
        (bytes_of(URBANSOUND8K_TABLE, b""), "the table is empty"),
        (bytes_of(URBANSOUND8K_TABLE, b"\xff\xfe\x00"), "is not text in UTF-8"),
        (replace(URBANSOUND8K_TABLE, "fsID", "id"), "column fsID is missing"),
        (replace(URBANSOUND8K_TABLE, ",10,0,air", ",ten,0,air"), "fold 'ten' is no whole number"),
        (replace(URBANSOUND8K_TABLE, ",10,0,air", ",11,0,air"), "fold 11 has 1 clips, not 0"),
        (replace(URBANSOUND8K_TABLE, "siren", "ambulance"), "class 8 is called 'ambulance'"),
        (replace(URBANSOUND8K_TABLE, "1000000-0-0-0.wav", "../secret.wav"), "no UrbanSound8K clip's name"),
        (keep(URBANSOUND8K_TABLE, lambda line: not line.startswith("9")), "no clips of fold 9;"),
        (
            keep(URBANSOUND8K_TABLE, lambda line: line.startswith(("slice", "1", "20"))),
            "no clips of folds 3, 4, 5 and 4 more",
        ),
        (
            edit(URBANSOUND8K_TABLE, lambda text: text.replace("8,siren", "3,dog_bark")),
            "no clips of class siren",
        ),
        (
            replace(URBANSOUND8K_TABLE, "1000000-0-0-1.wav", "1000000-0-0-0.wav"),
            "0-0-0.wav is listed 2 times",
        ),
        (
            edit(URBANSOUND8K_TABLE, lambda text: text.replace("00000-0-0-1.wav", "00000-0-9-1.wav")),
            "10 of 8732 audio files are missing: audio/fold1/100000-0-9-1.wav, .* and 7 more; download",
        ),
    ],
)
def test_a_damaged_urbansound8k_is_refused(urbansound8k: Path, damage: Damage, message: str) -> None:
    damage(urbansound8k)
    the_error(load_urbansound8k, urbansound8k, message)


# FSD50K


def test_fsd50k_judges_its_eval_part_by_its_train_part(
    sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = write_fsd50k(tmp_path / "FSD50K", dict.fromkeys(FSD50K_CLASSES, sound))
    asked_for = []
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: asked_for.append(path) or is_file(path))
    dataset = load_fsd50k(whole)
    assert len(asked_for) < 100, "files are to be listed, not asked for one by one"
    assert (dataset.name, dataset.title, dataset.multi_label) == ("fsd50k", "FSD50K", True)
    assert dataset.classes == FSD50K_CLASSES
    assert sizes(dataset) == FSD50K_SIZES
    assert dataset.splits == (Split(("train",), "eval"),)
    dev, judged = clip_named(dataset, "10002.wav"), clip_named(dataset, "300000.wav")
    assert heard(dataset, dev.name) == ["Rain", "Thunder", "Class_016"]
    assert (dev.fold, dev.source, dev.path) == (
        "train", "dev_user_2", whole / "FSD50K.dev_audio" / "10002.wav",
    )  # fmt: skip
    assert (judged.fold, judged.source, judged.path) == (
        "eval", "eval_user_0", whole / "FSD50K.eval_audio" / "300000.wav",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "is_warned"),
    [
        (lambda root: (root / DEV_NOTES).unlink(), False),
        (lambda root: shutil.rmtree(root / "FSD50K.metadata"), False),
        (bytes_of(DEV_NOTES, b'{"10000": '), True),
        (bytes_of(DEV_NOTES, b'{"10000": {"title": "no uploader"}}'), True),
        (bytes_of(DEV_NOTES, b"[1, 2]"), True),
        (bytes_of(DEV_NOTES, b"\xff"), True),
    ],
)
def test_without_uploaders_each_clip_is_its_own_source(
    fsd50k: Path, damage: Damage, caplog: pytest.LogCaptureFixture, *, is_warned: bool
) -> None:
    damage(fsd50k)
    dataset = load_fsd50k(fsd50k)
    assert clip_named(dataset, "10002.wav").source == "10002"
    assert [DEV_NOTES in record.message for record in caplog.records] == [True] * is_warned


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: shutil.rmtree(root / "FSD50K.ground_truth"), "vocabulary.csv: there is no such file"),
        (lambda root: (root / EVAL).unlink(), "eval.csv: there is no such file; give the folder"),
        (bytes_of(VOCABULARY, b""), "vocabulary.csv: the table is empty"),
        (keep(VOCABULARY, lambda line: "Siren" not in line), "199 classes, not 200 numbered from 0"),
        (replace(VOCABULARY, "Siren", "Bark"), "two classes have the same name"),
        (replace(VOCABULARY, "0,Bark", "zero,Bark"), "index 'zero' is no whole number"),
        (replace(VOCABULARY, "Class_199", "Other"), "dev.csv: class 'Class_199' is not in vocabulary.csv"),
        (replace(DEV, "split", "part"), "dev.csv: column split is missing"),
        (replace(DEV, ",val", ",test"), "is in split 'test', not train or val"),
        (replace(DEV, ",val", ",train"), "fold train has 501 clips, not 500"),
        (replace(DEV, "10000,", "../10000,"), r"fname '\.\./10000' is no whole number"),
        (keep(DEV, lambda line: "val" not in line), "FSD50K.ground_truth: no clips of fold val"),
        (bytes_of(EVAL, b"\xff\xfe"), "eval.csv: is not text in UTF-8"),
        (replace(EVAL, "300000", "10000"), "10000.wav is listed 2 times"),
        (
            lambda root: [(root / f"FSD50K.eval_audio/30000{n}.wav").unlink() for n in range(4)],
            "4 of 810 audio files are missing: FSD50K.eval_audio/300000.wav, .* and 1 more; download",
        ),
        (lambda root: shutil.rmtree(root / "FSD50K.dev_audio"), "600 of 810 audio files are missing"),
    ],
)
def test_a_damaged_fsd50k_is_refused(fsd50k: Path, damage: Damage, message: str) -> None:
    damage(fsd50k)
    the_error(load_fsd50k, fsd50k, message)


# A folder with a table


def test_any_folder_serves_by_its_table(own: Path) -> None:
    dataset = load_folder(own)
    assert (dataset.name, dataset.title, dataset.multi_label) == ("my-sounds", "My Sounds", False)
    assert dataset.classes == ("cough", "snore")
    assert sizes(dataset) == dict.fromkeys("123", 4)
    assert_leaves_one_out(dataset, "123")
    clip = clip_named(dataset, "snore-2-1.wav")
    assert (heard(dataset, clip.name), clip.source) == (["snore"], "snore-2-1.wav")
    assert clip.path == own / "audio" / "snore-2-1.wav"


def test_files_may_lie_beside_the_table_and_further_down(sound: Path, tmp_path: Path) -> None:
    rows = [("filename", "fold", "label"), ("a.wav", "a", "x"), ("./deep/er/b.wav", "b", "y")]
    write_csv(tmp_path / "table.CSV", rows)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    shutil.copy(sound, tmp_path / "a.wav")
    shutil.copy(sound, tmp_path / "deep" / "er" / "b.wav")
    dataset = load_folder(tmp_path)
    assert [(clip.name, clip.path) for clip in dataset.clips] == [
        ("a.wav", tmp_path / "a.wav"),
        ("deep/er/b.wav", tmp_path / "deep" / "er" / "b.wav"),
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cough-1-0.wav,1,cough", "cough-1-0.wav,1,cough; snore"),
        ("cough-1-0.wav,1,cough", "cough-1-0.wav,1,cough\nsnore-1-0.wav,1,snore\ncough-1-0.wav,1,snore"),
    ],
)
def test_a_clip_may_have_several_labels(own: Path, old: str, new: str) -> None:
    replace("clips.csv", old, new)(own)
    dataset = load_folder(own)
    assert dataset.multi_label
    assert len(dataset.clips) == 12
    assert heard(dataset, "cough-1-0.wav") == ["cough", "snore"]
    assert heard(dataset, "cough-1-1.wav") == ["cough"]


def test_the_source_is_read_where_it_is_told(own: Path) -> None:
    lines = (own / "clips.csv").read_text().splitlines()
    told = [f"{line},{'' if 'snore' in line else 'tape 7'},a note" for line in lines[1:]]
    (own / "clips.csv").write_text("\n".join([f"{lines[0]},source,note", *told]))
    dataset = load_folder(own)
    assert clip_named(dataset, "cough-1-0.wav").source == "tape 7"
    assert clip_named(dataset, "snore-1-0.wav").source == "snore-1-0.wav"


def test_folds_are_sorted_as_numbers_where_they_are_numbers(sound: Path, tmp_path: Path) -> None:
    folds = ("10", "9", "night 2", "night 11", "1")
    dataset = load_folder(write_folder(tmp_path / "x", {"a": sound, "b": sound}, folds))
    assert_leaves_one_out(dataset, ("1", "9", "10", "night 2", "night 11"))
    assert [clip.fold for clip in dataset.clips[::4]] == ["1", "9", "10", "night 2", "night 11"]


@pytest.mark.parametrize(
    ("title", "name"),
    [("ESC 50 (mine)", "esc-50-mine"), ("Звуки", "folder"), ("..a", "a"), ("y" * 80, "y" * 40)],
)
def test_the_short_name_is_safe_to_name_files_by(own: Path, title: str, name: str) -> None:
    dataset = load_folder(own.rename(own.with_name(title)))
    assert (dataset.name, dataset.title) == (name, title)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "clips.csv").unlink(), "holds no CSV; .*filename,fold,label"),
        (
            lambda root: shutil.copy(root / "clips.csv", root / "b.csv"),
            "several tables fit: b.csv, clips.csv",
        ),
        (bytes_of("clips.csv", b""), "the table is empty"),
        (bytes_of("clips.csv", b"\n\n,,\n"), "the table is empty"),
        (bytes_of("clips.csv", b"filename,fold,label\n"), "the table is empty"),
        (bytes_of("clips.csv", b"\xff"), "is not text in UTF-8"),
        (bytes_of("clips.csv", b"filename;fold;label\na;1;b\n"), "column filename is missing"),
        (replace("clips.csv", "fold", "part"), "column fold is missing"),
        (replace("clips.csv", ",1,", ",,"), "line 2 has no fold"),
        (replace("clips.csv", ",1,snore", ",1, ; "), "'snore-1-0.wav' has no label"),
        (
            keep("clips.csv", lambda line: "-1-" in line or "fold" in line),
            "two folds at least, and has but '1'",
        ),
        (keep("clips.csv", lambda line: "snore" not in line), "two classes at least, and has but 'cough'"),
        (
            edit("clips.csv", lambda text: text + "cough-1-0.wav,2,cough\n"),
            "the rows of 'cough-1-0.wav' differ in fold: '1' and '2'",
        ),
        (
            edit("clips.csv", lambda text: text + "../a.wav,2,cough\n"),
            r"'\.\./a\.wav' leads out of the folder",
        ),
        (
            edit("clips.csv", lambda text: text + "/etc/a.wav,2,cough\n"),
            "'/etc/a.wav' leads out of the folder",
        ),
        (edit("clips.csv", lambda text: text + "b.wav,2,cough\n"), "1 of 13 audio files are missing: b.wav;"),
        (edit("clips.csv", lambda text: text + "b" * 5000 + ",2,cough\n"), "1 of 13 audio files are missing"),
        (edit("clips.csv", lambda text: text + ".,2,cough\n"), "1 of 13 audio files are missing"),
    ],
)
def test_a_folder_whose_table_is_no_good_is_refused(own: Path, damage: Damage, message: str) -> None:
    damage(own)
    told = the_error(load_folder, own, message)
    assert "filename,fold,label" in told or "audio files are missing" in told


def test_other_tables_in_the_folder_do_no_harm(own: Path) -> None:
    write_csv(own / "notes.csv", [("who", "when"), ("me", "now")])
    (own / "._clips.csv").write_bytes(b"\xff")
    assert len(load_folder(own).clips) == 12
    (own / "clips.csv").write_text("file,fold,label\na.wav,1,b\n")
    assert "none of its tables fits: clips.csv, notes.csv;" in the_error(load_folder, own)


# Which one a folder is


@pytest.mark.parametrize("fixture", ["esc50", "urbansound8k", "fsd50k", "own"])
def test_a_data_set_is_known_by_its_layout_there_or_one_folder_down(
    fixture: str, request: pytest.FixtureRequest
) -> None:
    place: Path = request.getfixturevalue(fixture)
    here, above = find_dataset(place), find_dataset(place.parent)
    assert here.title == place.name
    assert here == above


def test_the_annotated_esc50_is_known(shared_data: Path) -> None:
    assert find_dataset(shared_data / "esc50").name == "esc50"


def test_of_several_data_sets_one_has_to_be_named(own: Path, esc50: Path) -> None:
    assert "holds several data sets: ESC-50, My Sounds; name the folder" in the_error(
        find_dataset, own.parent
    )
    (esc50 / "metadata").mkdir()
    (esc50 / URBANSOUND8K_TABLE).touch()
    assert "holds ESC-50 and UrbanSound8K side by side" in the_error(find_dataset, esc50)


def test_audio_without_its_tables_is_known_for_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "FSD50K.dev_audio").mkdir()
    assert "vocabulary.csv: there is no such file" in the_error(find_dataset, tmp_path)


def test_a_folder_of_another_kind_is_told_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    write_csv(tmp_path / "prices.csv", [("what", "price"), ("egg", 1)])
    told = the_error(find_dataset, tmp_path)
    for mark in (ESC50_TABLE, URBANSOUND8K_TABLE, "FSD50K.ground_truth", "filename,fold,label"):
        assert mark in told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"filename,part,label\na.wav,1,b\n", "column fold is missing"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (b"", "the table is empty"),
    ],
)
def test_a_table_that_nearly_fits_is_told_what_it_lacks(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    assert message in the_error(find_dataset, tmp_path)


@pytest.mark.parametrize("load", [find_dataset, load_folder])
def test_what_is_no_folder_is_refused(tmp_path: Path, load: Callable[[Path], Dataset]) -> None:
    (tmp_path / "set.zip").touch()
    assert "is a file; unpack it" in the_error(load, tmp_path / "set.zip")
    assert "does not exist" in the_error(load, tmp_path / "nowhere")
    assert "cannot be read" in the_error(load, tmp_path / ("long" * 100))


def test_loops_of_links_and_empty_folders_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "pipe").mkdir()
    os.mkfifo(tmp_path / "pipe" / "esc50.csv")
    (tmp_path / ".csv").mkdir()
    assert "there is no such file" in the_error(find_dataset, tmp_path)


def test_no_clips_lack_no_files(tmp_path: Path) -> None:
    check_files([], tmp_path)


def test_each_class_has_a_sound_of_its_own(tmp_path: Path) -> None:
    sounds = write_sounds(tmp_path, FSD50K_CLASSES)
    assert len({path.read_bytes() for path in sounds.values()}) == 200
