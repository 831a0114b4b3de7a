"""What the workstation's commands say when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

for needed in ("torch", "onnx", "scipy", "tqdm", "sklearn", "ai_edge_litert"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `export`, `eval` and `teacher`")

from export.cli import main as export_main  # noqa: E402 - after the skip
from export.evaluation.cli import main as eval_main  # noqa: E402


@pytest.mark.parametrize(
    ("main", "arguments", "code", "message"),
    [
        (
            export_main,
            ["starter", "--data", "none", "--teacher", "none"],
            7,
            "give the folder of an unpacked ESC-50",
        ),
        (eval_main, ["esc50", "--data", "none"], 7, "give the folder of an unpacked ESC-50"),
        (eval_main, ["stream", "--data", "none", "--labels", "dgo bark"], 2, "nearest: dog bark"),
        (eval_main, ["esc50", "--data", "none", "--bundle", "none"], 3, "no bundle at none"),
    ],
)
def test_wrong_input_is_one_line_and_an_exit_code(
    main, arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    work = ["--work", str(tmp_path)] if main is export_main else []
    assert main([*arguments, *work]) == code
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert message in line


def test_a_work_folder_that_cannot_be_made_is_one_line(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, teacher = shared_data / "esc50", shared_data / "yamnet" / "yamnet.tflite"
    arguments = ["starter", "--data", str(data), "--teacher", str(teacher), "--work", "/proc/nowhere"]
    assert export_main(arguments) == 1
    assert "edge-export: error:" in capsys.readouterr().err
