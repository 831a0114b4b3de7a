"""Checkpoints by name: where they are published, what they hash to, and how they are fetched."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path

from edge.bundle_files import sha256_of
from export.cache_folder import cache_folder
from export.clap.errors import CheckpointError

LAION = "lukewys/laion_clap"
DEFAULT = "630k-audioset-best"


@dataclass(frozen=True)
class Published:
    """A checkpoint on the hub.

    Attributes:
        repository: its name there.
        file: the file of weights in LAION's layout; None if the repository is of transformers' layout.
        sha256: what was published, None if not known.
        licence: that the repository states.
        caution: what a person should know before using it.
    """

    repository: str
    file: str | None
    sha256: str | None
    licence: str
    caution: str | None = None


def _laion(file: str, sha256: str | None) -> Published:
    return Published(LAION, file, sha256, "CC0-1.0")


def _transformers(repository: str, caution: str | None = None) -> Published:
    return Published(repository, None, None, "Apache-2.0", caution)


# The hashes are what the hub's pages state for the files, for copies of them, or under their former names.
# For 630k-fusion-best.pt none was found.
PUBLISHED = {
    DEFAULT: _laion(
        "630k-audioset-best.pt", "8053c9775516af2f4902e1e8281e356cc1bf7a85e8b761908170767b77c3f037"
    ),
    "630k-audioset-fusion-best": _laion(
        "630k-audioset-fusion-best.pt", "fb171dd9b608aebdac3d89286cd7615c5100af4cc7dc37797c7fb8d3cc15e3a5"
    ),
    "630k-best": _laion("630k-best.pt", "e02951eae3c9955db546c50086059e6457188ec39446858f2bddbcb4b56b1cb3"),
    "630k-fusion-best": _laion("630k-fusion-best.pt", None),
    "music_audioset_epoch_15_esc_90.14": _laion(
        "music_audioset_epoch_15_esc_90.14.pt",
        "fae3e9c087f2909c28a09dc31c8dfcdacbc42ba44c70e972b58c1bd1caf6dedd",
    ),
    "music_speech_audioset_epoch_15_esc_89.98": _laion(
        "music_speech_audioset_epoch_15_esc_89.98.pt",
        "51c68f12f9d7ea25fdaaccf741ec7f81e93ee594455410f3bca4f47f88d8e006",
    ),
    "music_speech_epoch_15_esc_89.25": _laion(
        "music_speech_epoch_15_esc_89.25.pt",
        "a27dfbd00d96781020d83044136f084343edab799d2657ef3cfe5c4f2222bb28",
    ),
    "laion/clap-htsat-unfused": _transformers("laion/clap-htsat-unfused"),
    "laion/clap-htsat-fused": _transformers("laion/clap-htsat-fused"),
    "laion/larger_clap_general": _transformers("laion/larger_clap_general"),
    "laion/larger_clap_music": _transformers(
        "laion/larger_clap_music",
        "its text encoder is reported to give all texts nearly the same embedding "
        "(embeddings-benchmark/mteb issue 5069); music_audioset_epoch_15_esc_90.14 is LAION's own",
    ),
    "laion/larger_clap_music_and_speech": _transformers("laion/larger_clap_music_and_speech"),
}


class NotOnHubError(CheckpointError):
    """The repository has no file of that name."""


def find_published(name: str) -> Published | None:
    """The checkpoint of a name; a LAION file's name may end in .pt."""
    return PUBLISHED.get(name.removesuffix(".pt"))


def find_by_hash(sha256: str) -> Published | None:
    """The published checkpoint that hashes to this."""
    return next((published for published in PUBLISHED.values() if published.sha256 == sha256), None)


def page_of(repository: str, file: str | None) -> str:
    """Where a person finds a file, or a repository's files."""
    base = f"https://huggingface.co/{repository}"
    return f"{base}/resolve/main/{file}" if file else f"{base}/tree/main"


def fetch(repository: str, file: str) -> Path:
    """A file of a repository on the Hugging Face hub.

    It is downloaded once and kept; a download that was interrupted goes on where it ended. What other
    programs fetched with huggingface_hub is used as it is.

    Raises:
        NotOnHubError if the repository has no such file.
        CheckpointError if it cannot be downloaded, or isn't what the hub says that it should be.
    """
    kept = cache_folder("hub") / repository.replace("/", "--") / file
    if kept.is_file():
        return kept
    by_hand = _by_hand(repository, file)
    try:
        from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415
        from huggingface_hub.errors import EntryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise CheckpointError(
            f"{file} cannot be downloaded without huggingface_hub: "
            f'pip install "edge-listen[export]", or {by_hand}'
        ) from error
    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    try:
        _download(repository, file, kept)
    except CheckpointError:
        raise
    except EntryNotFoundError as error:
        raise NotOnHubError(f"{repository} on the hub has no {file}") from error
    # The library lets its HTTP client's errors through, and which client that is changes with its version.
    except Exception as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        reason = textwrap.shorten(first_line.partition(". ")[0], 160, placeholder=" ...")
        raise CheckpointError(f"{file} cannot be downloaded ({reason}): try again, or {by_hand}") from error
    return kept


def _by_hand(repository: str, file: str) -> str:
    """What a person can do without this program's download."""
    if any(p.repository == repository and p.file is None for p in PUBLISHED.values()):
        return (
            f"download the files of {page_of(repository, None)} into a folder and give that as --checkpoint"
        )
    option = "--tokenizer" if file == "tokenizer.json" else "--checkpoint"
    return f"download {page_of(repository, file)} and give its path as {option}"


def _download(repository: str, file: str, target: Path) -> None:
    """Download into `target`, going on with what an earlier try left.

    `hf_hub_download` would begin anew: newer versions remove what they have when they are interrupted.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415
    from huggingface_hub.file_download import http_get  # noqa: PLC0415

    url = hf_hub_url(repository, file)
    metadata = get_hf_file_metadata(url)
    etag = metadata.etag or "unknown"
    # By etag, so that the parts of two versions of the file never meet.
    part = target.with_name(f".{target.name}.{etag[:16]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    # Two programs that wrote it at once have left too much.
    if metadata.size is not None and part.is_file() and part.stat().st_size > metadata.size:
        part.unlink()
    with part.open("ab") as stream:
        # Of a file that is there to its last byte, the rest cannot be asked for.
        if stream.tell() != metadata.size:
            http_get(
                url,
                stream,
                resume_size=stream.tell(),
                expected_size=metadata.size,
                displayed_filename=target.name,
            )
    # The etag of a large file is its sha256.
    if len(etag) == 64 and sha256_of([part]) != etag:
        part.unlink()
        raise CheckpointError(f"{file} was damaged on its way from the hub: try again")
    part.replace(target)
