"""Labels of any words, by a bundle with a text encoder; `needs_tokenizers` marks what must run it."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, WINDOW_S, rain, tone, write_synthetic_bundle
from synthetic_text import (
    KETTLE_HZ,
    needs_tokenizers,
    text_files,
    text_manifest,
    word_vectors,
    write_text_bundle,
)

from edge import label_process
from edge.bundle_writer import write_bundle
from edge.cli import main
from edge.config import ListenConfig, RuleSettings
from edge.custom_labels import CustomLabel, with_labels
from edge.errors import EncoderError, LabelError
from edge.manifest import LabelEntry, Recipe, RuleDefaults
from edge.pipeline import Pipeline, prepare
from edge.prototypes import DISAGREE, TEXT_THRESHOLD, mean_text
from edge.scoring import PrototypeSet, rivals_of
from edge.settings import Rivals
from edge.trigger import TriggerRule

Listen = Callable[..., Pipeline]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_bundle(tmp_path_factory.mktemp("bundles") / "words").directory


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def listen(bundle: Path, caplog: pytest.LogCaptureFixture) -> Listen:
    caplog.set_level(logging.INFO, "edge")

    def start(*labels: str, directory: Path = bundle, **settings: object) -> Pipeline:
        return prepare(ListenConfig(labels=labels, bundle=directory, **settings))  # type: ignore[arg-type]

    return start


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_process, "PROGRAM", "raise SystemExit('no process was to be started')")


def written(tmp_path: Path, **changes: object) -> Path:
    """A text bundle of which the manifest differs."""
    manifest = dataclasses.replace(text_manifest(), **changes)  # type: ignore[arg-type]
    return write_bundle(tmp_path / "changed", manifest, text_files()).directory


def rivals(pipeline: Pipeline, name: str) -> list[str]:
    prototypes = pipeline.prototypes
    return [prototypes.names[i] for i in rivals_of(prototypes, prototypes.names.index(name), "background")]


@needs_tokenizers
def test_words_that_are_no_label_become_one_from_text_and_pool(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = listen("siren", "kettle whistle")
    assert list(pipeline.rules) == ["siren", "kettle whistle"]
    assert pipeline.prototypes.names == (*TONES_HZ, "background rain", "kettle whistle")
    assert pipeline.rules["kettle whistle"].on_threshold == pipeline.thresholds["kettle whistle"]
    assert 0.5 < pipeline.thresholds["kettle whistle"] < 0.9
    assert rivals(pipeline, "kettle whistle") == ["background rain"]
    assert (
        'made "kettle whistle" from its text and 10 recordings of the bundle\'s pool, threshold 0.70'
        in caplog.messages
    )


@needs_tokenizers
def test_the_new_label_is_heard_and_only_where_it_sounds(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kitchen.wav"
    parts = [rain(4), tone(TONES_HZ["siren"], 4), rain(4), tone(KETTLE_HZ, 4), rain(4)]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE_HZ)
    flags = ["--bundle", str(bundle), "--labels", "kettle_whistle", "--input", str(path), "--json"]
    assert main([*flags, "--top", "9"]) == 0
    captured = capsys.readouterr()
    onset, offset = (json.loads(line) for line in captured.out.splitlines())
    assert (onset["event"], offset["event"]) == ("onset", "offset")
    assert onset["label"] == offset["label"] == "kettle whistle"
    assert abs(onset["stream_s"] - 12.0) <= WINDOW_S / 2
    assert abs(offset["stream_s"] - 16.0) <= WINDOW_S / 2
    assert "kettle whistle 0." in captured.err  # --top shows it among the others


@needs_tokenizers
def test_its_rules_can_be_set_like_those_of_any_other(listen: Listen) -> None:
    own = {"Kettle Whistles": RuleSettings(threshold=0.5, margin=0.1)}
    pipeline = listen("kettle whistle", label_rules=own)
    assert pipeline.rules["kettle whistle"].on_threshold == 0.5
    assert pipeline.rules["kettle whistle"].margin == 0.1
    assert pipeline.thresholds["kettle whistle"] == 0.5


def test_rules_for_words_that_nobody_listens_for_are_pointed_out(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    listen("siren", label_rules={"foghorn": RuleSettings(threshold=0.5), "rain": RuleSettings()})
    for words in ("foghorn", "rain"):
        assert f"the rules for '{words}' have no effect" in caplog.text


@needs_tokenizers
def test_the_second_start_needs_no_process(
    listen: Listen, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = listen("kettle whistle")
    monkeypatch.setattr(label_process, "PROGRAM", "raise SystemExit('no process was to be started')")
    caplog.clear()
    second = listen("Kettle  WHISTLE")
    assert np.array_equal(first.prototypes.vectors, second.prototypes.vectors)
    assert first.rules == second.rules
    assert caplog.messages[0].startswith('kept "kettle whistle" from before: made from its text and 10 rec')
    with pytest.raises(EncoderError, match="no process was to be started"):
        listen("drone")


@needs_tokenizers
def test_a_damaged_file_of_the_cache_is_made_anew(listen: Listen, state: Path) -> None:
    first = listen("kettle whistle")
    (path,) = (state / "labels").iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    second = listen("kettle whistle")
    assert np.array_equal(first.prototypes.vectors, second.prototypes.vectors)
    assert path.read_bytes() == whole


@needs_tokenizers
def test_another_bundle_makes_its_own(listen: Listen, state: Path, tmp_path: Path) -> None:
    listen("kettle whistle")
    listen("kettle whistle", directory=written(tmp_path, name="another"))
    assert len(list((state / "labels").iterdir())) == 2


@needs_tokenizers
def test_a_state_directory_that_cannot_be_written_is_a_warning(
    listen: Listen, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state.write_text("a file in its place")
    assert "kettle whistle" in listen("kettle whistle").rules
    (warning,) = warnings(caplog)
    assert "the labels made cannot be kept, so they are made anew at each start" in warning


@needs_tokenizers
def test_forms_of_the_same_words_are_one_label(listen: Listen) -> None:
    pipeline = listen("kettle whistle, Kettle-Whistles", "kettle_whistle", comma_lists=True)
    assert list(pipeline.rules) == ["kettle whistle"]
    assert pipeline.prototypes.names[-2:] == ("background rain", "kettle whistle")


@needs_tokenizers
@pytest.mark.parametrize(
    "words", ["Kettle-Whistle", "kettle_WHISTLE", " kettle  whistle", "\uff4bettle whistle"]
)
def test_events_of_a_label_bear_one_name_however_it_was_typed(words: str, listen: Listen) -> None:
    assert list(listen(words).rules) == ["kettle whistle"]


@needs_tokenizers
def test_a_label_is_not_vetoed_by_the_backgrounds_it_is_kin_to(listen: Listen) -> None:
    pipeline = listen("Rain", "heavy showers", "kettle whistle")
    assert pipeline.prototypes.names == (
        *TONES_HZ, "background rain", "rain", "heavy showers", "kettle whistle",
    )  # fmt: skip
    assert rivals(pipeline, "rain") == rivals(pipeline, "heavy showers") == []
    assert rivals(pipeline, "kettle whistle") == ["background rain"]
    assert rivals(pipeline, "siren") == ["background rain"]


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("words", ["background rain", "Background_Rain", "background rains"])
def test_a_background_asked_for_by_its_name_is_refused_before_anything_is_made(
    words: str, listen: Listen
) -> None:
    with pytest.raises(LabelError, match="is a background sound of this bundle, which cannot be listened"):
        listen("kettle whistle", words)


def test_backgrounds_in_groups_are_joined_with_the_label_that_is_kin_to_them() -> None:
    vectors = np.eye(8, dtype=np.float32)
    prototypes = PrototypeSet(
        vectors=vectors[:6],
        owners=np.arange(6),
        names=("violin", "background music", "background speech", "chatter", "background wind", "siren"),
        background=(False, True, True, False, True, False),
        rivals_groups=("tunes", "tunes", "talk", "talk", None, None),
    )
    made = [
        custom("singing voice", vectors[6], "background music", "background speech"),
        custom("foghorn", vectors[7]),
    ]
    joined = with_labels(prototypes, made)
    assert joined.names == (*prototypes.names, "singing voice", "foghorn")
    assert joined.background == (*prototypes.background, False, False)
    assert joined.owners.tolist() == list(range(8))
    *one, wind, siren, voice, foghorn = joined.rivals_groups
    assert {*one, voice} == {voice}
    assert voice is not None
    assert (wind, siren, foghorn) == (None, None, None)


def custom(name: str, vector: NDArray[np.float32], *kin: str) -> CustomLabel:
    entry = LabelEntry(name, "label", (), (), None, "proto", 3, {"fp32": 0.5}, None)
    return CustomLabel(entry, vector, kin)


@needs_tokenizers
def test_a_slip_of_the_finger_is_pointed_out_once_when_the_label_is_made(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    listen("dgo bark", "kettle whistle")
    assert '"dgo bark" is a label newly made; did you mean "dog bark"?' in warnings(caplog)
    caplog.clear()
    listen("dgo bark", "kettle whistle")
    assert "did you mean" not in caplog.text


@needs_tokenizers
def test_what_a_person_should_know_of_labels_is_one_warning(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    # Words that the text encoder doesn't know, so that their neighbours are of all kinds.
    listen("zorp", "kettle", "quux")
    assert warnings(caplog) == [f"heard unreliably: zorp, quux: {DISAGREE}"]


def test_the_bundles_own_notes_are_warnings_for_those_who_listen(
    listen: Listen, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    notes = {"dog bark": "hard", "siren": "rare", "alarm beep": "hard"}
    labels = [dataclasses.replace(e, note=notes.get(e.name)) for e in text_manifest().labels]
    directory = written(tmp_path, labels=tuple(labels))
    listen("siren", directory=directory)
    listen("alarm beep", "siren", "dog bark", directory=directory)
    assert warnings(caplog) == [
        "heard unreliably: siren: rare",
        "heard unreliably: alarm beep, dog bark: hard",
        "heard unreliably: siren: rare",
    ]


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@needs_tokenizers
def test_a_zero_shot_bundle_makes_zero_shot_labels_and_several_prompts_are_averaged(
    listen: Listen, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    recipe = Recipe(("{label}", "{label} and drone"), "zero-shot", 35)
    encoders = tuple(dataclasses.replace(e, pool=None) for e in text_manifest().encoders)
    pipeline = listen("kettle", directory=written(tmp_path, recipe=recipe, encoders=encoders))
    kettle, both = word_vectors()["kettle"], word_vectors()["kettle"] + word_vectors()["drone"]
    both = both + word_vectors()["<unk>"]  # "and"
    expected = mean_text(np.stack([kettle, both / np.linalg.norm(both)]))
    np.testing.assert_allclose(pipeline.prototypes.vectors[-1], expected, atol=1e-6)
    assert 'made "kettle" from its text alone, threshold 0.40' in caplog.messages
    assert pipeline.thresholds["kettle"] == TEXT_THRESHOLD
    assert warnings(caplog) == []


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x" * 201, '^label "x+..." has 201 characters, more than 200; say it in fewer words$'),
        ("one\x1b[31mtwo", "holds characters that cannot be shown"),
        ("", "empty label name"),
        (" , ", "empty label name"),
        ("siren,,kettle", "empty label name"),
        ("__", "empty label name"),
    ],
)
def test_words_that_can_be_no_label_are_refused_in_one_line(words: str, message: str, listen: Listen) -> None:
    with pytest.raises(LabelError, match=message) as caught:
        listen(words, comma_lists=True)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("no_process")
@pytest.mark.parametrize("words", ["siren, kettle", "siren\uff0ckettle", "kettle,"])
def test_words_of_a_list_are_not_split_at_their_commas_but_refused(words: str, listen: Listen) -> None:
    with pytest.raises(LabelError, match=r"holds a comma; name each sound as a label of its own$") as caught:
        listen(words)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("no_process")
def test_labels_of_the_bundle_need_no_text_encoder(listen: Listen, state: Path) -> None:
    assert list(listen("dogs, ambulance", comma_lists=True).rules) == ["dog bark", "siren"]
    assert not state.exists()


def test_a_bundle_without_text_encoder_says_how_to_add_a_label(
    listen: Listen, tmp_path: Path, state: Path
) -> None:
    fixed = write_synthetic_bundle(tmp_path / "fixed").directory
    with pytest.raises(LabelError) as caught:
        listen("dgo bark", directory=fixed)
    assert str(caught.value) == (
        'no label "dgo bark"; nearest: dog bark; see all with: edge-listen labels; '
        "this bundle's labels are fixed; a CLAP bundle takes any words (edge-export clap)"
    )
    with pytest.raises(LabelError) as caught:
        listen("kettle whistle", directory=written(tmp_path, text_encoder=None))
    assert str(caught.value) == (
        'no label "kettle whistle"; see all with: edge-listen labels; '
        "to add it, export the bundle again with it: edge-export clap --labels ...; "
        "exported with --text-encoder, it takes any words"
    )
    with pytest.raises(LabelError, match="is a background sound of this bundle"):
        listen("rain", directory=fixed)
    assert not state.exists()


def test_rules_are_the_bundles_own_unless_others_are_given(listen: Listen, tmp_path: Path) -> None:
    own = RuleDefaults(
        margin=-0.05, off_margin=0.25, confirm_s=1.0, within_s=4.0, release_s=2.0, rivals="all"
    )
    given = RuleSettings(
        threshold=0.5, margin=0.3, off_margin=0.0, confirm_s=0.0, within_s=1.0, release_s=0.0, rivals="none"
    )
    labels = {"dog bark": given}
    rules = listen("siren", "dog bark", directory=written(tmp_path, rules=own), label_rules=labels).rules
    assert rules["siren"] == TriggerRule(0.9, 0.65, -0.05, "all", 1.0, 4.0, 2.0, 0.0)
    assert rules["dog bark"] == TriggerRule(0.5, 0.5, 0.3, "none", 0.0, 1.0, 0.0, 0.0)


@pytest.mark.parametrize("own", ["background", "all", "none"])
def test_rivals_are_the_bundles_own_unless_they_are_given(
    own: Rivals, listen: Listen, tmp_path: Path
) -> None:
    directory = written(tmp_path, rules=dataclasses.replace(text_manifest().rules, rivals=own))
    assert listen("siren", directory=directory).rules["siren"].rivals == own
    for given in get_args(Rivals):
        for settings in (
            {"rules": RuleSettings(rivals=given)},
            {"label_rules": {"siren": RuleSettings(rivals=given)}},
        ):
            assert listen("siren", directory=directory, **settings).rules["siren"].rivals == given


def test_the_list_of_labels_shows_notes_and_that_any_words_will_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = text_manifest().labels
    labels = (dataclasses.replace(first, note="few neighbours"), *others)
    assert main(["labels", "--bundle", str(written(tmp_path, labels=labels))]) == 0
    lines = capsys.readouterr().out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith(first.name))
    assert lines[place + 1].strip() == "note: few neighbours"
    assert lines[-1] == "any other words will do too: this bundle has a text encoder"
    assert main(["labels", "--bundle", str(write_synthetic_bundle(tmp_path / "fixed").directory)]) == 0
    assert "any other words" not in capsys.readouterr().out


@needs_tokenizers
def test_the_tokenizer_is_never_loaded_by_the_process_that_listens(bundle: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edge.config import ListenConfig; "
        "from edge.pipeline import prepare; "
        f"prepare(ListenConfig(labels=('kettle whistle',), bundle=Path({str(bundle)!r}))); "
        "print(sorted({'tokenizers', 'onnxruntime'} & set(sys.modules)))"
    )
    repository = Path(label_process.__file__).parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "['onnxruntime']\n", ended.stderr
