"""`edge-export background` on a bundle that hears tones, and what it makes of generated recordings."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

for needed in ("onnx", "onnxruntime", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `export` and `cpu`")

from synthetic_bundle import TONES_HZ, rain, tone, write_synthetic_bundle  # noqa: E402

from edge.bundle import load_bundle  # noqa: E402 - after the skip
from edge.types import Samples  # noqa: E402
from export.background import generated  # noqa: E402
from export.background.hearing import Ear, Heard  # noqa: E402
from export.cli import main  # noqa: E402
from export.starter.background import KINDS  # noqa: E402

Files = dict[str, Samples]


def write(folder: Path, files: Files, sample_rate_hz: int = 16000) -> Path:
    for name, samples in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, samples, sample_rate_hz)
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_synthetic_bundle(tmp_path / "bundle", with_background=False)
    return tmp_path / "bundle"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    noise = rain(30.0, 0.01)
    beeps = noise.copy()
    beeps[80000:160000] += tone(1000.0, 5.0, 0.8)
    return write(tmp_path / "recordings", {"a/rain.wav": noise, "b.flac": beeps, "c.wav": noise[:160000]})


@pytest.fixture
def members(tmp_path: Path) -> Path:
    clips = {
        f"{name.replace(' ', '_')}/{number}.wav": tone(hz, 3.0 + number)
        for (name, hz), number in itertools.product(TONES_HZ.items(), range(2))
    }
    return write(tmp_path / "sounds", clips)


Command = Callable[..., int]


@pytest.fixture
def command(tmp_path: Path, bundle: Path, recordings: Path, members: Path) -> Command:
    def command(*flags: str, **changed: object) -> int:
        options: dict[str, object] = {
            "bundle": bundle, "recordings": recordings, "out": tmp_path / "out", "work": tmp_path / "work",
            "members": members, **changed,
        }  # fmt: skip
        words = [[f"--{name}", str(value)] for name, value in options.items() if value is not None]
        return main(["background", *flags, *itertools.chain(*words)])

    return command


def test_a_bundle_gets_background_that_it_heard_with_its_own_encoder(
    command: Command, tmp_path: Path, bundle: Path
) -> None:
    assert command() == 0
    old, new = load_bundle(bundle), load_bundle(tmp_path / "out")
    new.verify()
    background = new.background
    assert background is not None
    assert background.n_recordings == 3
    assert background.duration_s == 70.0
    assert background.encoder_sha256 == old.arrays["fp32"].encoder_sha256
    siren = background.embeddings @ new.arrays["fp32"].vectors[1]
    assert siren.max() > 0.5
    assert set(background.recording[background.moment[siren > 0.5]]) == {1}
    assert new.manifest.encoders == old.manifest.encoders
    assert new.manifest.background == "background.npz"
    assert new.manifest.created > old.manifest.created


def test_members_are_of_the_labels_that_their_folders_name(command: Command, tmp_path: Path) -> None:
    assert command() == 0
    found = load_bundle(tmp_path / "out")
    assert found.background is not None
    of = found.background.members
    assert sorted(set(of.label.tolist())) == [0, 1, 2]
    assert of.recording.max() == 5
    cosines = of.embeddings @ found.arrays["fp32"].vectors.T
    best = np.array([cosines[of.recording == number].max(axis=0).argmax() for number in range(6)])
    assert best.tolist() == [of.label[of.recording == number][0] for number in range(6)]
    assert of.are == "the recordings in sounds"


def test_without_members_there_are_none(command: Command, tmp_path: Path) -> None:
    assert command(members=None) == 0
    background = load_bundle(tmp_path / "out").background
    assert background is not None
    assert len(background.members.embeddings) == 0


def test_recordings_of_another_rate_are_taken_at_the_encoders(command: Command, tmp_path: Path) -> None:
    folder = write(tmp_path / "fast", {"beep.wav": np.repeat(tone(1000.0, 12.0), 3)}, 48000)
    assert command(recordings=folder) == 0
    background = load_bundle(tmp_path / "out").background
    assert background is not None
    assert background.duration_s == pytest.approx(12.0, abs=0.01)


def test_it_goes_on_where_it_was_interrupted(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hear = Ear.hear
    heard: list[Heard] = []

    def interrupted(ear: Ear, blocks: Iterable[Samples]) -> Heard:
        if len(heard) == 2:
            raise KeyboardInterrupt
        heard.append(hear(ear, blocks))
        return heard[-1]

    monkeypatch.setattr(Ear, "hear", interrupted)
    assert command() == 130
    assert "the same command goes on where it stopped" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    n_heard: list[Heard] = []

    def counted(ear: Ear, blocks: Iterable[Samples]) -> Heard:
        n_heard.append(hear(ear, blocks))
        return n_heard[-1]

    monkeypatch.setattr(Ear, "hear", counted)
    assert command() == 0
    assert len(n_heard) == 1 + 6
    whole = load_bundle(tmp_path / "out")
    shutil.rmtree(tmp_path / "work")
    assert command(out=tmp_path / "again") == 0
    again = load_bundle(tmp_path / "again")
    assert whole.manifest.files["background.npz"] == again.manifest.files["background.npz"]


def test_another_recording_of_the_same_name_is_heard_anew(
    command: Command, tmp_path: Path, recordings: Path
) -> None:
    assert command() == 0
    write(recordings, {"a/rain.wav": tone(1000.0, 20.0)})
    assert command(out=tmp_path / "other") == 0
    first, second = (load_bundle(tmp_path / name).background for name in ("out", "other"))
    assert first is not None
    assert second is not None
    assert second.duration_s == first.duration_s - 10.0


def test_a_file_that_is_no_sound_is_named_and_left_out(
    command: Command, tmp_path: Path, recordings: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (recordings / "broken.wav").write_bytes(b"RIFF nothing")
    assert command() == 0
    assert any("left out" in line and "broken.wav" in line for line in caplog.messages)
    background = load_bundle(tmp_path / "out").background
    assert background is not None
    assert background.n_recordings == 3


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"bundle": "nowhere"}, 3, "no bundle at nowhere"),
        ({"recordings": "nowhere"}, 2, "nowhere does not exist"),
        ({"members": "nowhere"}, 2, "nowhere does not exist"),
        ({"recordings": None, "generate": 0}, 2, "--generate must be some hours above 0, not 0"),
        ({"recordings": None, "generate": "nan"}, 2, "--generate must be some hours above 0, not nan"),
        ({"out": "/proc/nowhere"}, 3, "cannot be written"),
        ({"work": "/proc/nowhere"}, 1, "nowhere"),
    ],
)
def test_wrong_input_is_one_line_and_an_exit_code(
    command: Command,
    tmp_path: Path,
    changed: dict[str, object],
    code: int,
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert command(**changed) == code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert words in line
    assert not (tmp_path / "out").exists()


def refused(command: Command, capsys: pytest.CaptureFixture[str], **changed: object) -> str:
    assert command(**changed) not in (0, 1, 130)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    return line


def test_silence_is_no_background(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write(tmp_path / "silent", {"a.wav": np.zeros(80000, np.float32)})
    assert "not a window of the background is loud enough" in refused(command, capsys, recordings=folder)


def test_a_folder_without_audio_is_no_background(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no audio" in refused(command, capsys, recordings=tmp_path / "empty")


def test_a_members_folder_that_is_no_label_is_named(
    command: Command, tmp_path: Path, members: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(members, {"doorbell/1.wav": tone(700.0, 3.0)})
    assert "doorbell is not called by the name of one" in refused(command, capsys, members=members)
    (tmp_path / "flat").mkdir()
    assert "holds no folders" in refused(command, capsys, members=tmp_path / "flat")


def test_a_bundle_in_the_way_is_replaced_only_if_asked(
    command: Command, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "exists already" in refused(command, capsys, out=bundle)
    assert load_bundle(bundle).background is None
    assert command("--replace", out=bundle) == 0
    assert load_bundle(bundle).background is not None


def test_the_source_is_recordings_or_generated_not_both(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["background", "--bundle", "b", "--out", "o", "--recordings", "r", "--generate", "1"])
    assert caught.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


def test_generating_without_its_programs_says_what_to_install(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command(recordings=None, generate=0.1) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert "apt install" in line


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise in place of what the programs would make."""

    def clips(_: Path, minutes: dict[str, float], seed: int, part: str, clip_s: float) -> Files:
        rng = np.random.default_rng([seed, len(part)])
        n = round(minutes["speech"] * 60.0 / clip_s)
        return {
            kind: (3000.0 * rng.standard_normal((n, round(clip_s * 16000)))).astype(np.int16)
            for kind in KINDS
        }

    monkeypatch.setattr(generated, "background_clips", clips)


@pytest.mark.usefixtures("base")
def test_generated_recordings_are_of_all_kinds_and_the_same_each_time(tmp_path: Path) -> None:
    first = generated.generated_recordings(tmp_path, "test", 0.5, 1)
    again = generated.generated_recordings(tmp_path, "test", 0.5, 1)
    assert [sound.name for sound in first] == [f"{kind}-000" for kind in (*KINDS, "tv")]
    for one, same in zip(first, again, strict=True):
        (samples,), (others,) = one.blocks(), same.blocks()
        assert one.key == same.key
        assert samples.shape == (300 * 16000,)
        assert samples.dtype == np.float32
        assert np.abs(samples).max() <= 0.991
        np.testing.assert_array_equal(samples, others)


@pytest.mark.usefixtures("base")
def test_recordings_of_other_parts_hours_or_seeds_have_other_keys(tmp_path: Path) -> None:
    made = [
        generated.generated_recordings(tmp_path, "test", 0.5, 1),
        generated.generated_recordings(tmp_path, "calibration", 0.5, 1),
        generated.generated_recordings(tmp_path, "test", 1.0, 1),
        generated.generated_recordings(tmp_path, "test", 0.5, 2),
    ]
    keys = [sound.key for sounds in made for sound in sounds]
    assert len(set(keys)) == len(keys)
    assert [len(sounds) for sounds in made] == [6, 6, 12, 6]


@pytest.mark.usefixtures("base")
def test_generated_recordings_come_at_the_encoders_rate(tmp_path: Path) -> None:
    sound = generated.generated_recordings(tmp_path, "test", 0.5, 1)[2]
    (samples,) = generated.at_rate(sound, 48000).blocks()
    assert len(samples) == 300 * 48000
    assert generated.at_rate(sound, 16000) is sound
