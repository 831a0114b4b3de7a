from __future__ import annotations

import csv
import re
import shutil
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile

from export.starter import composition, midi, music, noise, programs, speech
from export.starter.background import KINDS, LEVELS_DBFS, BackgroundClip, Kind, generate, main
from export.starter.parts import PARTS, Part
from export.starter.programs import ProgramError, run_program

NEEDS: dict[Kind, tuple[str, ...]] = {"speech": ("espeak-ng", "flite"), "music": ("fluidsynth",)}


def skip_without_programs(kind: Kind) -> None:
    missing = [program for program in NEEDS.get(kind, ()) if shutil.which(program) is None]
    if kind == "music" and not music.SOUND_FONT.is_file():
        missing.append("fluid-soundfont-gm")
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt install {programs.PACKAGES}")


def clips(kind: Kind, n_clips: int = 3, seed: int = 5, part: Part = "train") -> list[BackgroundClip]:
    skip_without_programs(kind)
    return list(generate(kind, n_clips, 2.0, seed, part))


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_fixes_every_sample_and_another_seed_makes_other_sound(kind: Kind) -> None:
    first, again, other = clips(kind), clips(kind), clips(kind, seed=6)
    for one, same, different in zip(first, again, other, strict=True):
        assert one.source == same.source
        np.testing.assert_array_equal(one.samples, same.samples)
        assert not np.array_equal(one.samples, different.samples)


@pytest.mark.parametrize(("kind", "part"), list(product(KINDS, PARTS)))
def test_clips_have_the_length_asked_for_and_a_level_of_their_kind(kind: Kind, part: Part) -> None:
    made = clips(kind, 6, part=part)
    assert [clip.part for clip in made] == [part] * 6
    for clip in made:
        assert clip.samples.shape == (32000,)
        assert clip.samples.dtype == np.float32
        assert np.abs(clip.samples).max() <= 0.991
        level_dbfs = 20.0 * np.log10(np.sqrt(np.mean(np.square(clip.samples, dtype=np.float64))))
        lowest, highest = LEVELS_DBFS[kind]
        # Peaks that would clip hold a clip of great crest factor below its range.
        assert lowest - 0.1 <= level_dbfs <= highest + 0.1 or np.abs(clip.samples).max() > 0.98


DISJOINT: list[tuple[Part, Part]] = [("train", "heldout"), ("calibration", "test")]


@pytest.mark.parametrize(("one", "other"), DISJOINT)
def test_two_parts_share_no_language_timbre_or_flite_voice(one: Part, other: Part) -> None:
    for what in ("language", "timbre"):
        spoken = [
            {getattr(v, what) for v in speech.voices(part) if v.program == "espeak-ng"}
            for part in (one, other)
        ]
        assert spoken[0]
        assert spoken[1]
        assert not spoken[0] & spoken[1]
    by_flite = [{v.timbre for v in speech.voices(part) if v.program == "flite"} for part in (one, other)]
    assert not by_flite[0] & by_flite[1]


def test_the_halves_are_all_of_the_held_out_languages_timbres_and_instruments() -> None:
    heldout = speech.voices("heldout")
    halves = [*speech.voices("calibration"), *speech.voices("test")]
    assert {v.language for v in halves} == {v.language for v in heldout}
    assert {v.timbre for v in halves} == {v.timbre for v in heldout}
    played = composition.instruments("calibration") + composition.instruments("test")
    assert sorted(played) == composition.instruments("heldout")


@pytest.mark.parametrize("part", PARTS)
def test_speech_uses_voices_of_its_part_only(part: Part) -> None:
    allowed = {voice.name for voice in speech.voices(part)}
    made = clips("speech", 6, part=part)
    used = {name for clip in made for name in clip.source.partition(": ")[2].split(", ")}
    assert used <= allowed
    assert all(np.abs(clip.samples).max() > 1e-3 for clip in made)


def test_every_instrument_is_trained_on_or_held_out_or_left_out() -> None:
    assert len(composition.INSTRUMENTS) == len(set(composition.INSTRUMENTS)) == 128
    training, heldout = composition.instruments("train"), composition.instruments("heldout")
    assert sorted([*training, *heldout, *composition.EXCLUDED]) == list(range(128))
    assert not set(composition.DRUM_KITS) & set(composition.HELDOUT_DRUM_KITS)


@pytest.mark.parametrize(
    "name", ["tubular bells", "tinkle bell", "bird tweet", "telephone", "helicopter", "seashore", "applause"]
)
def test_instruments_that_imitate_a_label_are_never_played(name: str) -> None:
    number = composition.INSTRUMENTS.index(name)
    assert all(number not in composition.instruments(part) for part in PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_a_piece_is_played_by_instruments_and_drums_of_its_part_only(
    rng: np.random.Generator, part: Part
) -> None:
    allowed = set(composition.instruments(part))
    kits = {"train": {0, 8, 16, 24, 32}, "heldout": {25, 40}, "calibration": {25}, "test": {40}}[part]
    for leader in sorted(allowed):
        piece = composition.compose(leader, 3.0, rng, part)
        assert {program for program, _ in piece.parts} <= allowed
        assert piece.kit is None or piece.kit in kits
        assert all(0 <= note.pitch < 128 for _, notes in piece.parts for note in notes)


def test_music_goes_round_the_instruments() -> None:
    skip_without_programs("music")
    n_instruments = len(composition.instruments("heldout"))
    made = list(generate("music", n_instruments, 0.2, 1, "heldout"))
    assert len({clip.source.split(", ")[0] for clip in made}) == n_instruments


def test_numbers_of_each_part_lie_where_no_other_draws_any(rng: np.random.Generator) -> None:
    edges = np.linspace(0.0, 1.0, 17)
    drawn = {
        part: {int(np.digitize(noise._draw(rng, 0, 1, part), edges)) for _ in range(400)} for part in PARTS
    }
    assert not drawn["train"] & drawn["heldout"]
    assert drawn["train"] | drawn["heldout"] == set(range(1, 17))
    assert not drawn["calibration"] & drawn["test"]
    assert drawn["calibration"] | drawn["test"] == drawn["heldout"]


@pytest.mark.parametrize(
    ("number", "written"),
    [(0, "00"), (0x7F, "7f"), (0x80, "8100"), (0x3FFF, "ff7f"), (0x4000, "818000"), (0xFFFFFFF, "ffffff7f")],
)
def test_midi_numbers_are_written_as_the_standard_shows(number: int, written: str) -> None:
    assert midi._variable_length(number).hex() == written


def test_a_midi_file_holds_its_messages_in_order_of_time(tmp_path: Path) -> None:
    path = tmp_path / "one.mid"
    midi.write_midi(path, [midi.MidiEvent(0.5, b"\x80\x3c\x00"), midi.MidiEvent(0.0, b"\x90\x3c\x40")], 1.0)
    track = bytes.fromhex("00903c40 8360803c00 8360ff2f00")
    assert path.read_bytes() == b"MThd" + bytes.fromhex("00000006 0000 0001 01e0") + b"MTrk\0\0\0\x0e" + track


@pytest.mark.parametrize("kind", ["speech", "music"])
def test_a_missing_program_is_named_with_the_packages_to_install(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    font = tmp_path / "font.sf2"
    font.touch()
    monkeypatch.setattr(music, "SOUND_FONT", font)
    monkeypatch.setenv("PATH", str(tmp_path))
    message = r"^(flite|espeak-ng|fluidsynth) is not installed.*apt install"
    with pytest.raises(ProgramError, match=message) as caught:
        list(generate(kind, 1, 1.0, 0, "train"))
    assert "\n" not in str(caught.value)


def test_a_missing_sound_font_is_named_with_the_packages_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(music, "SOUND_FONT", tmp_path / "font.sf2")
    message = rf"no sound font {re.escape(str(tmp_path))}/font.sf2: run apt install .*fluid-soundfont-gm"
    with pytest.raises(ProgramError, match=message):
        list(generate("music", 1, 1.0, 0, "train"))


def test_a_program_that_fails_is_quoted() -> None:
    with pytest.raises(ProgramError, match=r"^sh ended with exit code 3: no such voice$"):
        run_program(["sh", "-c", "echo trying >&2; echo no such voice >&2; exit 3"])


def test_clips_can_be_written_as_wav_with_an_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    skip_without_programs("speech")
    skip_without_programs("music")
    assert main(["--out", str(tmp_path), "--minutes-per-kind", "0.17", "--part", "heldout"]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'index.csv'}\n"
    with (tmp_path / "index.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == list(KINDS)
    for row in rows:
        assert soundfile.info(tmp_path / row["file"]).samplerate == 16000
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["--out", str(tmp_path), "--minutes-per-kind", "0.17"]) == 1
    assert "apt install" in capsys.readouterr().err
