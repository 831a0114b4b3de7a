"""The service's configuration file: written once, never overwritten."""

from __future__ import annotations

import os
from pathlib import Path

import edge
from edge.config_file import load_config
from edge.errors import ConfigError
from edge.service.account import group_id
from edge.service.layout import Layout
from edge.service.program import is_hidden

_EXAMPLE = "configs/edge-listen.toml"


def text_to_write(layout: Layout, given: Path | None) -> bytes | None:
    """What is to become the configuration; None if there is one already.

    given: a person's own, else the example.
    Raises: ConfigError if it is no configuration that a service could use, or another one is there.
    """
    if given is None:
        return None if layout.configuration.exists() else _example().read_bytes()
    bundle = load_config(given).bundle
    if bundle is not None and (not bundle.is_absolute() or is_hidden(bundle)):
        raise ConfigError(
            f"{given}: a service can't get at the bundle {bundle}: copy it into "
            f"{layout.shown(layout.configuration_directory)}, and name that path"
        )
    text = given.read_bytes()
    if not layout.configuration.exists():
        return text
    if layout.configuration.read_bytes() != text:
        there = layout.shown(layout.configuration)
        raise ConfigError(
            f"there is a configuration already, other than {given}: edit {there} (sudoedit {there}), "
            "or remove it first"
        )
    return None


def write_configuration(layout: Layout, text: bytes | None) -> None:
    """Write it, if there is any to write, and let the service and nobody else read it.

    Raises: SoundError, OSError.
    """
    layout.configuration_directory.mkdir(parents=True, exist_ok=True)
    if text is not None:
        with os.fdopen(
            os.open(layout.configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb"
        ) as file:
            file.write(text)
    for path, mode in ((layout.configuration_directory, 0o750), (layout.configuration, 0o640)):
        path.chmod(mode)
        if os.geteuid() == 0:
            os.chown(path, 0, group_id(layout))


def _example() -> Path:
    package = Path(edge.__file__).resolve().parent
    candidates = [package / "installed" / _EXAMPLE, package.parent / _EXAMPLE]  # of a wheel, of a repository
    for path in candidates:
        if path.is_file():
            return path
    raise ConfigError(f"{candidates[0]} is missing: install edge-listen again, or name a file with --config")
