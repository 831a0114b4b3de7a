"""Names in a bundle: those of its files, which must stay inside it, and those that people read."""

from __future__ import annotations

from edge.errors import BundleError
from edge.schema import describe

MANIFEST_NAME = "manifest.json"


def check_file_name(name: str) -> None:
    """Refuse a name that could lead out of the bundle, or means another file on another system.

    Raises: BundleError.
    """
    parts = name.split("/")
    if name.startswith("/") or ":" in name:
        raise BundleError(f"file name {describe(name)} is absolute; a bundle's files lie inside it")
    if "\\" in name:
        raise BundleError(f"file name {describe(name)} has a backslash; folders are divided by /")
    if ".." in parts:
        raise BundleError(f"file name {describe(name)} leads out of the bundle")
    if "" in parts or "." in parts or not name.isprintable():
        raise BundleError(f"file name {describe(name)} is not a plain path")
    if name.casefold() == MANIFEST_NAME:
        raise BundleError(f"file name {describe(name)} is the manifest's own, which cannot list itself")


def check_name(what: str, name: str) -> None:
    """Refuse a name that is empty, has space around it, or would not show as it is in one line.

    Raises: BundleError.
    """
    if not name or name != name.strip() or not name.isprintable():
        raise BundleError(f"{what} must be printable text without spaces around it, not {describe(name)}")
