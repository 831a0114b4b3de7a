"""A password or key, read from where only this program can: a guarded file, or a credential of systemd."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

from edge.errors import ConfigError

MAX_SECRET_BYTES = 65536
_GROUP_WRITES_OR_OTHERS_TOUCH = stat.S_IWGRP | stat.S_IRWXO


def read_secret(what: str, file: Path | None, credential: str | None) -> str | None:
    """The secret that a table of the configuration names, less one newline at its end; None if it names none.

    A file may be read by its group, so that `root:edge-listen` with mode 0640 serves a service user.

    Args:
        what: what it is and whose, as a message names it, such as "the password of [mqtt]".
        file: a regular file, UTF-8, of at most `MAX_SECRET_BYTES`.
        credential: name of a credential of systemd, https://systemd.io/CREDENTIALS/.

    Raises:
        ConfigError: both are given; it cannot be read, is empty or not UTF-8; others can read or write it.
    """
    if file is not None and credential is not None:
        raise ConfigError(f"{what} is to come from a file and from a credential: leave one of them out")
    if file is not None:
        return _text(what, file, _bytes_of_guarded_file(what, file))
    if credential is not None:
        path = _credential_path(what, credential)
        return _text(what, path, _bytes_of_credential(what, path))
    return None


def _bytes_of_guarded_file(what: str, path: Path) -> bytes:
    quoted = shlex.quote(str(path))
    try:
        # Without waiting, because a fifo would hold the start up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except PermissionError:
        raise ConfigError(
            f"{what} cannot be read from {path}: give it to the user that runs edge-listen, as a service by "
            f"chown root:edge-listen {quoted} and chmod 640 {quoted}"
        ) from None
    except (OSError, ValueError) as error:
        raise _unreadable(what, path, error) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise ConfigError(f"{what} cannot be read from {path}: it is not a regular file")
        if mode & _GROUP_WRITES_OR_OTHERS_TOUCH:
            raise ConfigError(
                f"{what} in {path} is open to others (mode {stat.S_IMODE(mode):o}): chmod 640 {quoted}"
            )
        return os.read(descriptor, MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise _unreadable(what, path, error) from None
    finally:
        os.close(descriptor)


def _credential_path(what: str, name: str) -> Path:
    if not name or name in {".", ".."} or "/" in name or "\0" in name:
        raise ConfigError(f"{what}: {name!r} is not the name of a credential, which has no slash")
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        raise ConfigError(
            f"{what} is to come from the credential {name!r}, but systemd has passed none: "
            f"put LoadCredential={name}:/path/of/file into the service, or name a file instead"
        )
    return Path(directory) / name


def _bytes_of_credential(what: str, path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_SECRET_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{what}: systemd has passed no credential {path.name!r}: "
            f"put LoadCredential={path.name}:/path/of/file into the service"
        ) from None
    except OSError as error:
        raise _unreadable(what, path, error) from None


def _text(what: str, path: Path, content: bytes) -> str:
    if len(content) > MAX_SECRET_BYTES:
        raise ConfigError(f"{what} in {path} is longer than {MAX_SECRET_BYTES} bytes: is it another file?")
    try:
        text = content.decode()
    except UnicodeDecodeError:  # whose message would show a part of the secret
        raise ConfigError(f"{what} in {path} is not UTF-8: write it as text") from None
    if text.endswith("\n"):
        text = text[:-1].removesuffix("\r")
    if not text:
        raise ConfigError(f"{what} in {path} is empty: write it there")
    return text


def _unreadable(what: str, path: Path, error: OSError | ValueError) -> ConfigError:
    return ConfigError(f"{what} cannot be read from {path}: {getattr(error, 'strerror', None) or error}")
