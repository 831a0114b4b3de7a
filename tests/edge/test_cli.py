from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, WINDOW_S, rain, tone, write_synthetic_bundle

from edge.cli import main
from edge.options import COMMANDS
from edge.settings import SETTINGS, flag


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    directory = tmp_path_factory.mktemp("bundles") / "tones"
    write_synthetic_bundle(directory)
    return str(directory)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dog from 4 to 8 s and a siren from 12 to 16 s, rain else."""
    parts = [rain(4), tone(TONES_HZ["dog bark"], 4), rain(4), tone(TONES_HZ["siren"], 4), rain(4)]
    path = tmp_path_factory.mktemp("sounds") / "street.wav"
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE_HZ)
    return str(path)


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    errors = [line for line in err.splitlines() if line.startswith("edge-listen: error: ")]
    assert "Traceback" not in err
    assert len(errors) == 1
    return errors[0]


def test_it_prints_a_line_at_the_onset_and_one_at_the_offset(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--labels", "dog bark", "--bundle", bundle, "--input", street]) == 0
    onset, offset = capsys.readouterr().out.splitlines()
    assert onset.startswith("0:00:0")
    assert "  dog bark  " in onset
    assert "  dog bark  ended after " in offset


def test_json_lines_hold_the_events_and_nothing_else_is_on_stdout(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        main(["--labels", "sirens,Dog_Bark", "--bundle", bundle, "--input", street, "--json", "--top", "2"])
        == 0
    )
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["event"], event["label"]) for event in events] == [
        ("onset", "dog bark"), ("offset", "dog bark"), ("onset", "siren"), ("offset", "siren"),
    ]  # fmt: skip
    for event, at_s in zip(events, [4.0, 8.0, 12.0, 16.0], strict=True):
        assert abs(event["stream_s"] - at_s) <= WINDOW_S / 2
    assert events[2]["time"] is None


def test_only_what_was_asked_for_is_reported(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--labels", "alarm beep", "--bundle", bundle, "--input", street]) == 0
    assert capsys.readouterr().out == ""


def test_it_says_at_the_start_what_it_listens_to(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--labels", "siren,dog bark", "--bundle", bundle, "--input", street])
    line, *rules = capsys.readouterr().err.splitlines()
    for part in ("street.wav", "siren, dog bark", "synthetic tones", "fp32 on cpu", "every 0.48 s"):
        assert part in line
    assert [rule.split(":")[1] for rule in rules] == [" siren", " dog bark"]
    assert all("for 0.96 s within 2.4 s" in rule for rule in rules)


def test_top_shows_every_label_of_the_bundle(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--labels", "siren", "--bundle", bundle, "--input", street, "--top", "9"])
    first = capsys.readouterr().out.splitlines()[0]
    assert all(name in first for name in (*TONES_HZ, "rain"))


@pytest.mark.parametrize(
    ("threshold", "n_events"),
    [("0.9999999", 0), ("siren=0.9999999", 0), ("dog bark=0.9999999", 1), ("0.5", 1)],
)
def test_a_threshold_is_in_force_for_the_labels_that_it_is_for(
    threshold: str, n_events: int, bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--labels", "siren,dog bark", "--bundle", bundle, "--input", street, "--json"]
    assert main([*arguments, "--threshold", threshold]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (
        len([event for event in events if event["label"] == "siren" and event["event"] == "onset"])
        == n_events
    )


def test_a_rule_for_a_label_that_is_not_listened_for_is_pointed_out(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--labels", "siren", "--bundle", bundle, "--input", street, "--threshold", "dog bark=0.7"])
    assert "warning: the rules for 'dog bark' have no effect" in capsys.readouterr().err


def test_a_configuration_file_is_enough(
    bundle: str, street: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "edge-listen.toml"
    path.write_text(
        f'[listen]\nlabels = ["siren"]\nbundle = "{bundle}"\n'
        f'[source]\ninput = "{street}"\n[output]\njson = true\n'
    )
    assert main(["--config", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_without_labels_it_says_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert 'edge-listen --labels "dog bark,siren"' in error_line(capsys)


def test_an_unknown_label_names_the_nearest_and_the_way_to_all(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--labels", "dog brak", "--bundle", bundle]) == 2
    line = error_line(capsys)
    assert "dog bark" in line
    assert "edge-listen labels" in line


def test_rules_that_contradict_each_other_are_refused(
    bundle: str, street: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--labels", "siren", "--bundle", bundle, "--input", street, "--confirm-s", "9"]
    assert main(arguments) == 2
    assert "within_s 2.4 is shorter than confirm_s 9" in error_line(capsys)


@pytest.mark.parametrize("argument", ["--top=x", "--no-such-option", "--provider=gpu"])
def test_what_the_parser_refuses_ends_with_2(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--labels", "siren", argument])
    assert caught.value.code == 2
    assert argument.partition("=")[0] in error_line(capsys)


def test_a_word_without_a_flag_is_met_with_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["lables"])
    assert "did you mean 'labels'" in error_line(capsys)
    with pytest.raises(SystemExit):
        main(["doorbell"])
    assert '--labels "doorbell"' in error_line(capsys)


def test_labels_lists_names_and_what_else_they_answer_to(
    bundle: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["labels", "--bundle", bundle]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "dog bark    also: barking dog, dog, dog_bark" in lines
    assert lines[-1] == "background sounds, never reported: rain"


def test_help_describes_every_setting_and_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(flag(name) + " " in text.replace("\n", " ") for name in SETTINGS)
    assert all(f"  {command} " in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_its_own_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert COMMANDS[command] in " ".join(capsys.readouterr().out.split())


def test_a_fault_of_ours_is_one_line_and_debug_shows_where(
    bundle: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault")

    monkeypatch.setattr("edge.commands.labels.load_bundle", fail)
    assert main(["labels", "--bundle", bundle]) == 1
    assert "--debug" in error_line(capsys)
    assert main(["labels", "--bundle", bundle, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_it_leaves_the_callers_logging_as_it_was(bundle: str) -> None:
    before = list(logging.getLogger("edge").handlers)
    main(["labels", "--bundle", bundle])
    assert logging.getLogger("edge").handlers == before


def test_help_and_version_load_neither_numpy_nor_a_bundle() -> None:
    program = (
        "import sys, edge.options; edge.options.parse_args(['--labels=a']); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_blas_is_held_to_one_thread_unless_the_person_says_otherwise() -> None:
    program = "import edge.cli, os; print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'])"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "1"]
