from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import pytest

pytest.importorskip("soxr")
from export.pool.attribution import Credit, credits_of
from export.pool.recordings import find_recordings


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def credit(place: Path, name: str) -> Credit:
    return next(row for row in credits_of(find_recordings(place)) if row.file == name)


@pytest.fixture
def esc50(tmp_path: Path) -> Path:
    root = tmp_path / "ESC-50-master"
    write(root / "meta" / "esc50.csv", "filename,fold\n")
    write(root / "audio" / "1-100032-A-0.wav")
    write(root / "audio" / "1-17295-B-29.wav")
    write(
        root / "LICENSE",
        "# ESC-50\n- [1-100032-A.ogg]: clip derived from dog (1).wav "
        "(http://www.freesound.org/people/nfrae/sounds/100032/) by nfrae [CC0]\n",
    )
    return root


@pytest.fixture
def urbansound8k(tmp_path: Path) -> Path:
    root = tmp_path / "UrbanSound8K"
    write(root / "metadata" / "UrbanSound8K.csv", "slice_file_name,fsID\n")
    write(root / "audio" / "fold5" / "100032-3-0-0.wav")
    write(root / "audio" / "fold1" / "17124-2-0-3.wav")
    write(root / "audio" / "fold1" / "5-2-0-3.wav")
    write(
        root / "FREESOUNDCREDITS.txt",
        "This dataset uses the following sounds:\n\n[soundid] by [username]\n\n"
        "100032 by nfrae\n17124 by cognito perceptu\n",
    )
    return root


@pytest.fixture
def fsd50k(tmp_path: Path) -> Path:
    root = tmp_path / "FSD50K"
    write(root / "FSD50K.dev_audio" / "64760.wav")
    write(root / "FSD50K.eval_audio" / "37199.wav")
    for part, number in (("dev", "64760"), ("eval", "37199")):
        clip = {"title": "a", "tags": [], "license": f"http://cc/{part}/", "uploader": f"maker of {part}"}
        write(root / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json", json.dumps({number: clip}))
    return root


def test_esc50_tells_author_licence_and_source_of_each_clip(esc50: Path) -> None:
    assert credit(esc50, "audio/1-100032-A-0.wav")[:4] == (
        "audio/1-100032-A-0.wav", "nfrae", "CC0", "http://www.freesound.org/people/nfrae/sounds/100032/",
    )  # fmt: skip
    unlisted = credit(esc50, "audio/1-17295-B-29.wav")
    assert unlisted[1:4] == ("unknown", "unknown", "https://freesound.org/s/17295/")


def test_urbansound8k_tells_authors(urbansound8k: Path) -> None:
    assert credit(urbansound8k, "audio/fold1/17124-2-0-3.wav")[:4] == (
        "audio/fold1/17124-2-0-3.wav", "cognito perceptu", "CC-BY-NC (UrbanSound8K)",
        "https://freesound.org/s/17124/",
    )  # fmt: skip
    assert credit(urbansound8k, "audio/fold1/5-2-0-3.wav").author == "unknown"


def test_fsd50k_tells_author_and_licence_of_both_parts(fsd50k: Path) -> None:
    rows = [row[:4] for row in credits_of(find_recordings(fsd50k))]
    assert rows == [
        ("FSD50K.dev_audio/64760.wav", "maker of dev", "http://cc/dev/", "https://freesound.org/s/64760/"),
        ("FSD50K.eval_audio/37199.wav", "maker of eval", "http://cc/eval/", "https://freesound.org/s/37199/"),
    ]


@pytest.mark.usefixtures("esc50", "urbansound8k", "fsd50k")
def test_a_pool_may_hold_several_data_sets_and_recordings_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "own" / "1-100032-A-0.wav")
    rows = {row.file: row for row in credits_of(find_recordings(tmp_path))}
    assert list(rows) == [recording.name for recording in find_recordings(tmp_path)]
    assert rows["ESC-50-master/audio/1-100032-A-0.wav"].licence == "CC0"
    assert rows["UrbanSound8K/audio/fold5/100032-3-0-0.wav"].author == "nfrae"
    assert rows["FSD50K/FSD50K.dev_audio/64760.wav"].author == "maker of dev"
    assert rows["own/1-100032-A-0.wav"][1:4] == ("unknown", "unknown", "unknown")


def test_the_audio_folder_of_a_data_set_alone_is_recognised(urbansound8k: Path, fsd50k: Path) -> None:
    assert credit(urbansound8k / "audio" / "fold5", "100032-3-0-0.wav").author == "nfrae"
    assert credit(fsd50k / "FSD50K.eval_audio", "37199.wav").author == "maker of eval"


@pytest.mark.parametrize("damage", ["{", '{"64760": {}}', '{"64760": null}', "[]"])
def test_a_table_that_cannot_be_read_makes_authors_unknown_with_a_warning(
    fsd50k: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    write(fsd50k / "FSD50K.metadata" / "dev_clips_info_FSD50K.json", damage)
    with caplog.at_level(logging.WARNING):
        row = credit(fsd50k, "FSD50K.dev_audio/64760.wav")
    assert row[1:4] == ("unknown", "unknown", "https://freesound.org/s/64760/")
    assert caplog.text.count("noted as unknown") == 1


def test_a_missing_licence_file_is_no_reason_to_fail(esc50: Path) -> None:
    (esc50 / "LICENSE").unlink()
    assert credit(esc50, "audio/1-100032-A-0.wav")[1:4] == (
        "unknown", "unknown", "https://freesound.org/s/100032/",
    )  # fmt: skip


def test_every_clip_of_the_folder_here_is_attributed(shared_data: Path) -> None:
    with (shared_data / "esc50" / "esc50.csv").open(newline="") as file:
        clips = {row["file"]: row for row in csv.DictReader(file)}
    rows = credits_of(find_recordings(shared_data / "esc50"))
    assert len(rows) == 2000
    for row in rows:
        clip = clips[row.file]
        assert row[1:4] == (clip["author"], clip["licence"], clip["source"])
