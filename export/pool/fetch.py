"""`--pool` → a folder: one that a person names, or a well-known data set's, downloaded once.

`soundata` knows where the data sets lie and their checksums, and downloads their archives. The rest is done
here: its own way (1.0.1) unpacks in place, so that an interrupt leaves a folder that looks whole, stumbles
over half an archive left behind, and never joins the parts of FSD50K on Linux.
"""

from __future__ import annotations

import http.client
import logging
import shutil
import socket
import subprocess
import tarfile
import urllib.request  # noqa: F401 - soundata uses it without importing it
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from export.pool.errors import PoolError

PAGES = {
    "esc50": "https://github.com/karolpiczak/ESC-50",
    "urbansound8k": "https://zenodo.org/records/1203745",
    "fsd50k": "https://zenodo.org/records/4060432",
}
"""Where a person can download each data set by hand."""
STALLED_S = 60.0
_INSTALL = 'pip install "edge-listen[datasets]"'

logger = logging.getLogger(__name__)


def find_pool(pool: str, downloads: Path) -> Path:
    """The folder that `--pool` means: itself, or a data set by name, downloaded if need be.

    downloads: where data sets are kept, a folder for each.
    Raises: PoolError if it is neither, or the data set cannot be had.
    """
    if Path(pool).is_dir():
        return Path(pool)
    if pool.lower() in PAGES:
        return fetch(pool.lower(), downloads)
    what = "is a file" if Path(pool).exists() else "is neither a folder here nor a data set known by name"
    raise PoolError(
        f"pool {pool!r} {what}: give a folder of recordings, or one of {', '.join(PAGES)} to download it"
    )


def fetch(name: str, downloads: Path) -> Path:
    """Download and unpack a data set, going on after the last archive that is whole.

    Returns: its folder within `downloads`.
    Raises: PoolError if `soundata` is missing, or something cannot be downloaded, unpacked or written.
    """
    folder = downloads / name
    soundata = _soundata()
    try:
        remotes = soundata.initialize(name, data_home=str(folder)).remotes
        for remote in remotes.values():
            parts = remote if isinstance(remote, list) else [remote]
            _fetch_archive(soundata.download_utils, parts, folder)
    except (OSError, http.client.HTTPException, zipfile.BadZipFile, tarfile.TarError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise PoolError(
            f"{name} could not be fetched into {folder} ({reason}): run this again to go on, or "
            f"download it from {PAGES[name]}, unpack it and name its folder with --pool"
        ) from error
    return folder


def _soundata() -> Any:
    try:
        import soundata  # noqa: PLC0415 - an extra of its own, and slow to import
        import soundata.download_utils  # noqa: PLC0415
    except ImportError as error:
        raise PoolError(f"to download data sets, {error.name} is needed: {_INSTALL}") from None
    return soundata


def _fetch_archive(download_utils: Any, parts: Sequence[Any], folder: Path) -> None:
    """Have an archive's content in `folder`, complete or not at all."""
    first = next((part for part in parts if part.filename.endswith(".zip")), parts[0])
    # Each of these archives holds one folder, of its own name.
    stem = first.filename.removesuffix(".zip").removesuffix(".tar.gz")
    if not (folder / stem).is_dir():
        if len(parts) > 1 and shutil.which("zip") is None:
            raise PoolError(
                f"{stem} comes in parts, which the program zip joins: install it (Debian: apt install zip) "
                "and run this again"
            )
        partial = folder / ".partial"
        for part in parts:
            _download(download_utils, part, folder, partial)
        logger.info("unpacking %s", stem)
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _unpack(folder / first.filename, partial, n_parts=len(parts))
        if not (partial / stem).is_dir():
            raise PoolError(
                f"{folder / first.filename} holds no folder {stem}: unpack it and name its folder"
            )
        (partial / stem).rename(folder / stem)
        shutil.rmtree(partial)
    for part in parts:
        (folder / part.filename).unlink(missing_ok=True)


def _download(download_utils: Any, part: Any, folder: Path, partial: Path) -> None:
    """Download a file, unless it is there; what lies in `folder` is whole, its checksum was right."""
    archive = folder / part.filename
    if not archive.is_file():
        logger.info("downloading %s to %s", part.filename, folder)
        with _patience():
            download_utils.download_from_remote(part, str(partial), True)  # noqa: FBT003 - its signature
        (partial / part.filename).replace(archive)


@contextmanager
def _patience() -> Iterator[None]:
    """Give up on a connection that stalls, and keep soundata's own log to itself: errors are told here."""
    timeout_s, disabled = socket.getdefaulttimeout(), logging.root.manager.disable
    socket.setdefaulttimeout(STALLED_S)
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        socket.setdefaulttimeout(timeout_s)
        logging.disable(disabled)


def _unpack(archive: Path, into: Path, n_parts: int) -> None:
    if not archive.name.endswith(".zip"):
        with tarfile.open(archive) as tar:
            # As Python 3.14 does by itself: nothing outside the folder, no devices.
            if not hasattr(tarfile, "data_filter"):
                raise PoolError(
                    f"{archive} cannot be unpacked safely by this Python: use 3.10.12, 3.11.4 or newer"
                )
            tar.extractall(into, filter="data")
        return
    if n_parts > 1:
        archive = _joined(archive, into)
    with zipfile.ZipFile(archive) as whole:
        whole.extractall(into)  # noqa: S202 - zipfile keeps names within the folder


def _joined(last_part: Path, into: Path) -> Path:
    """One archive of a zip in parts, which Python cannot read."""
    joined = into / "joined.zip"
    command = ["zip", "-q", "-s", "0", str(last_part), "--out", str(joined)]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"zip could not join {last_part.name}: {done.stdout} {done.stderr}")
    return joined
