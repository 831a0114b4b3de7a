"""Labels of any words, by a bundle with a text encoder; `needs_tokenizers` marks what must run it."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, rain, tone, write_synthetic_bundle
from synthetic_text import KETTLE_HZ, needs_tokenizers, text_files, text_manifest, write_text_bundle

from edge import text_process
from edge.bundle import write_bundle
from edge.cli import main
from edge.config import ListenConfig, RuleSettings
from edge.custom_labels import CustomLabel, with_labels
from edge.errors import EncoderError, LabelError
from edge.manifest import LabelEntry, Recipe
from edge.pipeline import Pipeline, prepare
from edge.prototypes import TEXT_THRESHOLD
from edge.scoring import PrototypeSet, rivals_of

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
    monkeypatch.setattr(text_process, "PROGRAM", "raise SystemExit('no process was to be started')")


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
    assert pipeline.prototypes.names == (*TONES_HZ, "rain", "kettle whistle")
    assert pipeline.rules["kettle whistle"].on_threshold == pipeline.thresholds["kettle whistle"]
    assert 0.5 < pipeline.thresholds["kettle whistle"] < 0.9
    assert rivals(pipeline, "kettle whistle") == ["rain"]
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
    assert 11.5 < onset["stream_s"] < 15.0
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
    monkeypatch.setattr(text_process, "PROGRAM", "raise SystemExit('no process was to be started')")
    caplog.clear()
    second = listen("Kettle  WHISTLE")
    assert np.array_equal(first.prototypes.vectors, second.prototypes.vectors)
    assert first.thresholds["kettle whistle"] == second.thresholds["Kettle WHISTLE"]
    assert caplog.messages[0].startswith('kept "Kettle WHISTLE" from before: made from its text and 10 rec')
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
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "the labels made cannot be kept, so they are made anew at each start" in warning.getMessage()


@needs_tokenizers
def test_forms_of_the_same_words_are_one_label(listen: Listen) -> None:
    pipeline = listen("kettle whistle, Kettle-Whistles", "kettle_whistle")
    assert list(pipeline.rules) == ["kettle whistle"]
    assert pipeline.prototypes.names[-2:] == ("rain", "kettle whistle")


@needs_tokenizers
def test_a_background_that_is_listened_for_never_vetoes_itself(listen: Listen) -> None:
    pipeline = listen("Rain", "rainfall", "kettle whistle")
    assert pipeline.prototypes.names == (*TONES_HZ, "rain (background)", "Rain", "rainfall", "kettle whistle")
    assert rivals(pipeline, "Rain") == rivals(pipeline, "rainfall") == []
    assert rivals(pipeline, "kettle whistle") == ["rain (background)"]
    assert rivals(pipeline, "siren") == ["rain (background)"]


def test_a_background_in_a_group_takes_the_label_made_into_it() -> None:
    vectors = np.eye(4, dtype=np.float32)
    entry = LabelEntry("music", "label", (), (), None, "proto", 3, {"fp32": 0.5}, None)
    prototypes = PrototypeSet(
        vectors=vectors[:3],
        owners=np.arange(3),
        names=("violin", "music", "wind"),
        background=(False, True, True),
        rivals_groups=("tunes", "tunes", None),
    )
    both = with_labels(prototypes, [CustomLabel(entry, vectors[3], "music")])
    assert both.names == ("violin", "music (background)", "wind", "music")
    assert both.rivals_groups == ("tunes", "tunes", None, "tunes")
    assert both.background == (False, True, True, False)
    assert both.owners.tolist() == [0, 1, 2, 3]


@needs_tokenizers
def test_a_slip_of_the_finger_is_pointed_out(listen: Listen, caplog: pytest.LogCaptureFixture) -> None:
    listen("dgo bark", "kettle whistle")
    (slip,) = [message for message in caplog.messages if "did you mean" in message]
    assert slip.startswith('made "dgo bark" from')
    assert slip.endswith('(did you mean "dog bark"?)')


@needs_tokenizers
def test_what_a_person_should_know_of_a_label_is_a_warning(
    listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    listen("zorp")  # which the text encoder doesn't know, so that its neighbours are of all kinds
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.getMessage().startswith('"zorp": its nearest recordings')


def test_the_bundles_own_note_is_a_warning_for_those_who_listen(
    listen: Listen, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    labels = [dataclasses.replace(e, note=f"{e.name} is hard") for e in text_manifest().labels]
    listen("siren", directory=written(tmp_path, labels=tuple(labels)))
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        '"siren": siren is hard'
    ]


@needs_tokenizers
def test_without_pool_the_text_alone_is_the_prototype(
    listen: Listen, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    encoders = tuple(dataclasses.replace(e, pool=None) for e in text_manifest().encoders)
    pipeline = listen("kettle whistle", directory=written(tmp_path, encoders=encoders))
    assert pipeline.thresholds["kettle whistle"] == TEXT_THRESHOLD
    assert 'made "kettle whistle" from its text alone, threshold 0.40' in caplog.messages
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "score higher: export the bundle with its pool" in warning.getMessage()


@needs_tokenizers
def test_a_zero_shot_bundle_makes_zero_shot_labels_and_several_prompts_are_averaged(
    listen: Listen, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    recipe = Recipe(("{label}", "{label} and drone"), "zero-shot", 35)
    pipeline = listen("kettle", directory=written(tmp_path, recipe=recipe))
    words = text_process.embed_texts(
        ["kettle", "kettle and drone"], *(written_text(pipeline)), pipeline.entry.embedding_dim
    )
    expected = words.mean(axis=0) / np.linalg.norm(words.mean(axis=0))
    np.testing.assert_allclose(pipeline.prototypes.vectors[-1], expected, atol=1e-6)
    assert "from its text alone" in caplog.text
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]


def written_text(pipeline: Pipeline) -> tuple[Path, Path, int]:
    entry = pipeline.bundle.manifest.text_encoder
    assert entry is not None
    directory = pipeline.bundle.directory
    return directory / entry.files[0], directory / entry.tokenizer, entry.max_tokens


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
        listen(words)
    assert str(caught.value).isprintable()


@pytest.mark.usefixtures("no_process")
def test_labels_of_the_bundle_need_no_text_encoder(listen: Listen, state: Path) -> None:
    assert list(listen("dogs, ambulance").rules) == ["dog bark", "siren"]
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
        "to add it, export the bundle again with it: edge-export clap --labels ..."
    )
    with pytest.raises(LabelError, match="is a background sound of this bundle"):
        listen("rain", directory=fixed)
    assert not state.exists()


def test_the_margin_is_the_bundles_own_unless_one_is_given(listen: Listen, tmp_path: Path) -> None:
    directory = written(tmp_path, margin=-0.05)
    given = {"dog bark": RuleSettings(margin=0.3)}
    pipeline = listen("siren", "dog bark", directory=directory, label_rules=given)
    assert {name: rule.margin for name, rule in pipeline.rules.items()} == {"siren": -0.05, "dog bark": 0.3}


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
    repository = Path(text_process.__file__).parent.parent
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, text=True, check=False
    )
    assert ended.stdout == "['onnxruntime']\n", ended.stderr
