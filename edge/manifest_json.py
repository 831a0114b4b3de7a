"""manifest.json, read with every key and type checked, and written the same way each time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge.errors import BundleError
from edge.manifest import SCHEMA_VERSION, Manifest
from edge.manifest_entries import COPY_AGAIN, EXPORT_AGAIN, UPGRADE, NewerBundleError
from edge.schema import build, describe


def parse_manifest(data: bytes, path: Path) -> Manifest:
    """Read manifest.json.

    Args:
        data: its bytes.
        path: where they are from, for messages.

    Raises: BundleError.
    """
    try:
        plain = json.loads(
            data.decode("utf-8"), object_pairs_hook=_distinct_keys, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        raise BundleError(f"{path} is not UTF-8 text from byte {error.start} on; {COPY_AGAIN}") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BundleError(f"{path} is not JSON at {place} ({error.msg}); {COPY_AGAIN}") from error
    except RecursionError as error:
        raise BundleError(f"{path} is nested too deeply to be a manifest; {EXPORT_AGAIN}") from error
    except ValueError as error:
        raise BundleError(f"{path}: {error}; {EXPORT_AGAIN}") from error
    _check_version(plain, path)
    try:
        manifest: Manifest = build(Manifest, plain)
    except NewerBundleError as error:
        raise BundleError(f"{path}: {error}; {UPGRADE}") from error
    except ValueError as error:
        raise BundleError(f"{path}: {error}; {EXPORT_AGAIN}") from error
    return manifest


def manifest_bytes(manifest: Manifest) -> bytes:
    """manifest.json for `manifest`: the same bytes for the same content.

    Raises: BundleError if it holds what JSON cannot.
    """
    try:
        text = json.dumps(dataclasses.asdict(manifest), indent=2, ensure_ascii=False, allow_nan=False)
        return text.encode("utf-8") + b"\n"
    except (TypeError, ValueError) as error:
        raise BundleError(f"the manifest holds a value that JSON cannot: {error}") from error


def _check_version(plain: object, path: Path) -> None:
    version: Any = plain.get("schema_version") if isinstance(plain, dict) else None
    if not isinstance(plain, dict):
        raise BundleError(f"{path} must hold a JSON object, not {describe(plain)}; {EXPORT_AGAIN}")
    if "schema_version" not in plain:
        raise BundleError(
            f"{path}: key schema_version is missing, so this is no bundle's manifest; {EXPORT_AGAIN}"
        )
    if type(version) is not int or version < 1:
        raise BundleError(f"{path}: schema_version {describe(version)} is unknown; {EXPORT_AGAIN}")
    if version > SCHEMA_VERSION:
        raise BundleError(
            f"{path}: schema_version {version} was made by a newer version "
            f"(this one reads up to {SCHEMA_VERSION}); {UPGRADE}"
        )


def _distinct_keys(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {describe(twice)} stands twice in one object")
    return plain


def _refuse_constant(constant: str) -> object:
    raise ValueError(f"{constant} is not a number that JSON allows")
