from __future__ import annotations

import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from edge.errors import ConfigError
from edge.secret import MAX_SECRET_BYTES, read_secret

REPOSITORY = Path(__file__).resolve().parents[2]
SECRET = "korrekt pferd-batterie"  # noqa: S105 - of no use elsewhere
WHAT = "the password of [mqtt]"


def secret_file(directory: Path, content: bytes = SECRET.encode(), mode: int = 0o600) -> Path:
    path = directory / "the secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_nothing_named_is_no_secret() -> None:
    assert read_secret(WHAT, None, None) is None


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"a b", "a b"),
        (b"a b\n", "a b"),
        (b"a b\r\n", "a b"),
        (b"a b\n\n", "a b\n"),
        (b" a b ", " a b "),
        ("schlüssel\n".encode(), "schlüssel"),
    ],
)
def test_one_newline_at_the_end_is_not_part_of_it_and_all_else_is(
    tmp_path: Path, content: bytes, secret: str
) -> None:
    assert read_secret(WHAT, secret_file(tmp_path, content), None) == secret


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640, 0o440])
def test_a_file_of_its_owner_and_group_is_read(tmp_path: Path, mode: int) -> None:
    assert read_secret(WHAT, secret_file(tmp_path, mode=mode), None) == SECRET


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o660, 0o777])
def test_a_file_open_to_others_is_refused_with_the_command_that_mends_it(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, mode=mode)
    with pytest.raises(ConfigError, match=f"open to others .*{mode:o}.*chmod 640") as caught:
        read_secret(WHAT, path, None)
    command = str(caught.value).partition(": ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert read_secret(WHAT, path, None) == SECRET


def test_a_file_that_is_absent_or_a_directory_or_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_secret(WHAT, tmp_path / "absent", None)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_secret(WHAT, tmp_path, None)
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(ConfigError, match="not a regular file"):
        read_secret(WHAT, tmp_path / "fifo", None)


def test_a_file_that_may_not_be_read_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = secret_file(tmp_path)
    program = f"""
import os
from pathlib import Path
from edge.secret import read_secret
if os.geteuid() == 0:
    os.chmod({str(tmp_path)!r}, 0o755)
    os.seteuid(65534)
else:
    os.chmod({str(path)!r}, 0)
try:
    read_secret({WHAT!r}, Path({str(path)!r}), None)
except Exception as error:
    print(type(error).__name__, error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(f"ConfigError {WHAT} cannot be read")
    assert "chown root:edge-listen" in run.stdout


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError, match="is empty"):
        read_secret(WHAT, secret_file(tmp_path, content), None)


def test_a_file_too_long_for_a_secret_is_refused(tmp_path: Path) -> None:
    longest = b"x" * MAX_SECRET_BYTES
    assert read_secret(WHAT, secret_file(tmp_path, longest), None) == longest.decode()
    with pytest.raises(ConfigError, match="longer than"):
        read_secret(WHAT, secret_file(tmp_path, longest + b"x"), None)


def test_no_message_and_no_traceback_shows_any_of_a_secret_that_is_not_utf_8(tmp_path: Path) -> None:
    path = secret_file(tmp_path, SECRET.encode() + b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8") as caught:
        read_secret(WHAT, path, None)
    shown = "".join(traceback.format_exception(caught.value))
    assert "pferd" not in shown
    assert "0xff" not in shown


def test_a_credential_is_read_from_the_folder_that_systemd_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    (tmp_path / "mqtt").write_text(SECRET + "\n", encoding="utf-8")
    (tmp_path / "mqtt").chmod(0o440)
    assert read_secret(WHAT, None, "mqtt") == SECRET


def test_a_credential_without_systemd_is_refused_and_told_about_load_credential(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    with pytest.raises(ConfigError, match="LoadCredential=mqtt:"):
        read_secret(WHAT, None, "mqtt")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match=r"no credential 'mqtt'.*LoadCredential=mqtt:"):
        read_secret(WHAT, None, "mqtt")


@pytest.mark.parametrize("name", ["", ".", "..", "../mqtt", "a/b", "a\0b"])
def test_a_credential_cannot_be_outside_of_that_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    with pytest.raises(ConfigError, match="not the name of a credential"):
        read_secret(WHAT, None, name)


def test_a_file_and_a_credential_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="leave one of them out"):
        read_secret(WHAT, secret_file(tmp_path), "mqtt")
