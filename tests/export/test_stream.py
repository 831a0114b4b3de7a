"""The pipeline over scenes of tones: all found, nothing else heard; and replayed under other thresholds."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("scipy", reason="needs scipy, from the extra `eval`")
pytest.importorskip("onnx", reason="needs onnx, from the extra `test`")

from synthetic_bundle import (
    HOP_S,
    SAMPLE_RATE_HZ,
    TONES_HZ,
    WINDOW_S,
    rain,
    replace_file,
    tone,
    write_synthetic_bundle,
)
from tone_scenes import alone, clip_of, rumble, sound_of, tones_pipeline, write_clip

from edge.errors import SoundError
from edge.pipeline import Pipeline
from export.evaluation.commands import stream as command
from export.evaluation.scenes import SceneMaker
from export.evaluation.stream import HeardScene, hear, hear_background, hear_scenes, replay
from export.evaluation.stream_metrics import POOLED, figures
from export.evaluation.stream_outcomes import judge_scenes
from export.evaluation.threshold_curve import OFFSETS, alarms_by_label, threshold_curve
from export.starter.background import KINDS

REPOSITORY = Path(__file__).resolve().parents[2]
RATE = SAMPLE_RATE_HZ
LABELS = ("siren", "dog bark")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("bundles") / "tones"
    write_synthetic_bundle(directory)
    return directory


@pytest.fixture(scope="module")
def pipeline(bundle: Path) -> Pipeline:
    return tones_pipeline(bundle, *LABELS)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory, pipeline: Pipeline) -> list[HeardScene]:
    """Sirens, dogs and an alarm that isn't listened for, over a rumble."""
    folder = tmp_path_factory.mktemp("clips")
    sounds = [
        sound_of(
            write_clip(folder, f"{name}{i}.wav", clip_of(hz, 3.0, 0.3 * i)), name if name in LABELS else None
        )
        for name, hz in TONES_HZ.items()
        for i in range(2)
    ]
    groups = alone(sounds, [10.0, 20.0])
    maker = SceneMaker(rumble(), RATE, WINDOW_S, 0.0, seed=1)
    return hear_scenes(pipeline, maker.scenes(groups), len(groups))


def test_every_tone_is_found_soon_and_nothing_else_is_heard(scenes):
    outcomes = judge_scenes(scenes, [s.heard.emitted for s in scenes], LABELS, WINDOW_S)
    for label in (None, *LABELS):
        found = figures(outcomes, label)
        assert found.n_found == found.n_sounds == (8 if label is None else 4)
        assert found.false_alarms.n == found.n_repeats == 0
        # To half a window, 1.3 s; the collars are 0.5, 1 and 2 s.
        assert found.on_time[2].f1.value == 1.0
        # A hop until a window ends in it, another that confirms it, and what the window needs.
        assert 2 * HOP_S - HOP_S <= found.latency.median_s.value <= 2 * HOP_S + 1.0


def test_events_begin_up_to_half_a_window_before_the_tone(scenes):
    for scene in scenes:
        for sound in scene.sounds:
            if sound.label:
                early = [
                    sound.onset_sample - e.event.onset_sample
                    for e in scene.heard.emitted
                    if e.event.kind == "onset" and e.event.label == sound.label
                ]
                # A window that some of a tone is in supports it before its middle has come to it.
                assert 0 <= min(early, key=abs) <= WINDOW_S / 2 * RATE


def test_a_replay_without_a_change_gives_exactly_the_recognizers_events(pipeline, scenes):
    assert any(scene.heard.emitted for scene in scenes)
    for scene in scenes:
        assert replay(pipeline, scene.heard, 0.0) == scene.heard.emitted


streams = st.lists(
    st.tuples(st.sampled_from([0.0, *TONES_HZ.values(), -1.0]), st.integers(1, 30)), max_size=5
)


@settings(max_examples=15)
@given(parts=streams)
def test_a_replay_equals_the_recognizer_on_any_stream(parts, pipeline):
    """Silence, tones and rain; also streams shorter than a window, or with an event open at their end."""
    made = [rain(n / 10) if hz < 0 else tone(hz, n / 10) for hz, n in parts]
    heard = hear(pipeline, made)
    assert heard.n_samples == sum(map(len, made))
    assert replay(pipeline, heard, 0.0) == heard.emitted


def test_an_event_is_told_at_the_end_of_its_window_and_never_behind_the_stream(pipeline):
    heard = hear(pipeline, [tone(TONES_HZ["siren"], 3.3)])
    assert [e.event.kind for e in heard.emitted] == ["onset", "offset"]
    ends = [min(w.end_sample, heard.n_samples) for w in heard.windows]
    assert [e.at_sample for e in heard.emitted] == [ends[1], ends[-1]]


def test_higher_thresholds_find_nothing_and_lower_ones_no_less(pipeline, scenes):
    curves = threshold_curve(pipeline, scenes, [])
    assert set(curves) == {POOLED, *LABELS}
    for points in curves.values():
        assert tuple(point.offset for point in points) == OFFSETS
        recalls = [point.recall.value for point in points]
        assert recalls[-1] == 0.0
        assert recalls[OFFSETS.index(0.0)] == 1.0
        assert points[-1].in_scenes.n == 0
        assert points[0].in_background is None
    # Of 0.9 and 0.2 more, no more than 1 can be asked for.
    assert replay(pipeline, scenes[0].heard, 5.0) == replay(pipeline, scenes[0].heard, 0.2)


def test_false_alarms_of_background_alone_are_all_events_in_it(pipeline, scenes):
    clip = np.zeros(10 * RATE, np.int16)
    siren = np.round(20000 * tone(1000.0, 3.0)).astype(np.int16)
    clip[3 * RATE : 6 * RATE] = siren
    background = hear_background(pipeline, "music", np.stack([clip, clip]))
    assert background.heard.hours == pytest.approx(20.0 / 3600.0)
    assert alarms_by_label([background.heard.emitted]) == {"siren": 2}
    curve = threshold_curve(pipeline, scenes[:1], [background])
    (point,) = [point for point in curve["siren"] if point.offset == 0.0]
    assert point.in_background.n == 2
    assert point.in_background.hours == background.heard.hours


def test_pieces_of_any_length_give_the_same(pipeline):
    samples = np.concatenate([rain(2.0), tone(TONES_HZ["siren"], 3.0), rain(3.0)])
    whole = hear(pipeline, [samples])
    assert hear(pipeline, np.array_split(samples, 37)).emitted == whole.emitted
    assert whole.emitted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of tones: two sirens, two dogs, two alarms, in two folds."""
    directory = tmp_path_factory.mktemp("data")
    rows = ["filename,fold,label"]
    for name, hz in TONES_HZ.items():
        for i in range(2):
            file = f"{name.replace(' ', '_')}-{i}.wav"
            soundfile.write(directory / file, clip_of(hz, 2.0 + 0.5 * i), RATE, subtype="PCM_16")
            rows.append(f"{file},{i + 1},{name}")
    (directory / "clips.csv").write_text("\n".join(rows) + "\n")
    return directory


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Background as a run before this would have kept it, but little of it."""
    directory = tmp_path_factory.mktemp("work")
    for n_clips, seed in ((60, 2), (1, 1)):
        for kind in KINDS:
            np.save(directory / f"heldout-{kind}-{n_clips}-seed{seed}.npy", rumble(1)["rumble"])
    return directory


def run_command(*arguments: str | Path) -> None:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    command.run(parser.parse_args(["stream", *map(str, arguments)]))


def test_the_command_prints_and_writes_what_it_found(folder, bundle, work, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="needs matplotlib, from the extra `eval`")
    run_command(
        "--data", folder, "--bundle", bundle, "--labels", "siren,dog bark", "--snr-db", "20", "10",
        "--minutes", str(1 / 6), "--work", work, "--out", tmp_path / "report",
    )  # fmt: skip
    printed = capsys.readouterr().out
    for title in ("Per label", "Events on time", "Recall by", "False alarms by", "Under other thresholds"):
        assert title in printed
    page = (tmp_path / "report" / "report.md").read_text()
    written = json.loads((tmp_path / "report" / "report.json").read_text())
    assert "| siren" in page
    assert [one["label"] for one in written["figures"]] == [POOLED, "siren", "dog bark"]
    assert written["figures"][0]["n_sounds"] == len(written["sounds"]) == 8
    assert all(sound["latency_s"] is not None for sound in written["sounds"] if not sound["overlapped"])
    assert [one["kind"] for one in written["background_alone"]] == list(KINDS)
    assert len(written["curves"]["siren"]) == len(OFFSETS)
    for plot in ("curve.png", "latency.png", "labels.png"):
        assert f"({plot})" in page
        assert (tmp_path / "report" / plot).read_bytes().startswith(b"\x89PNG")


def test_all_listens_for_what_there_are_clips_of(folder, bundle, work, capsys):
    run_command(
        "--data", folder, "--bundle", bundle, "--labels", "all", "--folds", "1", "--snr-db", "20",
        "--minutes", "0", "--work", work,
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert [line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("|")][2:6] == [
        POOLED, *TONES_HZ,
    ]  # fmt: skip
    assert "alone" not in printed.split("False alarms by material")[1].split("\n\n")[1]


def test_a_kept_fold_is_played_with_final_alone_and_the_look_is_on_record(work, tmp_path, capsys):
    bundle, data, log = tmp_path / "bundle", tmp_path / "data", tmp_path / "looks.csv"
    write_synthetic_bundle(bundle)
    rows = ["filename,fold,label"]
    for fold in (1, 4):
        for name, hz in (("siren", 1000.0), ("kettle", 2200.0)):
            write_clip(data, f"{name}-{fold}.wav", clip_of(hz))
            rows.append(f"{name}-{fold}.wav,{fold},{name}")
    (data / "clips.csv").write_text("\n".join(rows) + "\n")
    listed = "file,author,licence,source\nsiren-1.wav,nobody,CC0,nowhere\nkettle-1.wav,nobody,CC0,nowhere\n"
    replace_file(bundle, "attribution.csv", listed.encode())
    options = ["--data", data, "--bundle", bundle, "--labels", "siren", "--minutes", "0", "--work", work]
    with pytest.raises(SoundError, match="kept for final figures; open these with --final LOG"):
        run_command(*options)
    assert not log.exists()
    run_command(*options, "--final", log)
    assert "| siren        | 3      | 1 " in capsys.readouterr().out
    _, line = log.read_text().splitlines()
    # The one that the kettle overlaps may be missed.
    assert float(line.split(",data stream,recall ")[1]) >= 0.6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "unicorn"], 'no label "unicorn"'),
        (["--labels", "siren", "--folds", "9"], "has no fold '9', only 1, 2"),
        (["--labels", "siren", "--minutes", "0.1"], "--minutes must be 0, or 0.17 at least"),
        (["--labels", "siren", "--minutes", "nan"], "--minutes must be 0"),
        (["--labels", "siren", "--snr-db", "inf"], "--snr-db must be ratios"),
        (["--labels", "siren", "--seed", "-1"], "--seed must be 0 or more"),
        (["--labels", "siren", "--final", "looks.csv"], "with a fold kept for the end: judge it without"),
    ],
)
def test_wrong_input_is_one_line(folder, bundle, work, options, message):
    with pytest.raises(SoundError) as error:
        run_command("--data", folder, "--bundle", bundle, "--work", work, *options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_it_needs_neither_torch_nor_onnx():
    program = (
        "import sys\n"
        "import export.evaluation.commands.stream, export.evaluation.stream\n"
        "light = set(sys.modules)\n"
        "import export.evaluation.stream_evaluation, export.evaluation.stream_report\n"
        "import export.evaluation.stream_clips, export.evaluation.datasets.find\n"
        "heavy = {'torch', 'onnx', 'tensorflow', 'ai_edge_litert'}\n"
        "print(*sorted(name for name in sys.modules if name.partition('.')[0] in heavy | {'matplotlib'}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip()) == (0, ""), run.stderr
