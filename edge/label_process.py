"""Prototypes made by a process of its own, so that what text encoder and pool take of memory comes back.

A request goes to its standard input, a reply comes from its standard output, both JSON. The process that asks
loads neither tokenizer, graph nor pool.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge.bundle import Bundle, load_bundle
from edge.errors import BundleError, EncoderError, LabelError, one_line
from edge.labels import quoted
from edge.manifest import EncoderEntry, TextEncoderEntry
from edge.prototype_json import PlainPrototype
from edge.prototypes import Pool, Prototype, make_prototype, mean_text, outdone_by
from edge.schema import build
from edge.scoring import PrototypeSet
from edge.text_encoder import TextEncoder
from edge.types import Embedding

TIMEOUT_S = 600.0
"""Generous, for a slow machine: what takes this long hangs."""
PROGRAM = (
    "import json, sys; request = json.load(sys.stdin); sys.path[:] = request.pop('sys_path'); "
    "from edge.label_process import answer; answer(request)"
)
"""What the process runs. It gets this one's import path: its own would begin with the working directory."""
_PR_SET_PDEATHSIG = 1
_ELSEWHERE = "make the label on a larger machine instead: edge-export clap --labels"
_ERRORS = {"BundleError": BundleError, "EncoderError": EncoderError, "LabelError": LabelError}


@dataclass(frozen=True)
class _Failure:
    kind: Literal["BundleError", "EncoderError", "LabelError"]
    message: str


@dataclass(frozen=True)
class _Reply:
    made: Mapping[str, PlainPrototype]
    failure: _Failure | None


def make_prototypes(
    sentences: Mapping[str, Sequence[str]], bundle: Bundle, encoder: EncoderEntry
) -> dict[str, Prototype]:
    """Make prototypes by the bundle's text encoder, pool and recipe.

    sentences: label → what the text encoder reads of it, one or more.
    Returns: label → prototype.

    Raises:
        LabelError if a sentence is longer than the text encoder reads.
        BundleError if what the bundle holds for this is damaged.
        EncoderError if the text encoder cannot be run, or the process fails otherwise, is killed or hangs.
    """
    request = {
        "sys_path": sys.path,
        "bundle": str(bundle.directory),
        "bundle_sha256": bundle.sha256,
        "encoder": encoder.name,
        "sentences": {label: list(several) for label, several in sentences.items()},
    }
    reply = _parsed(_run(json.dumps(request)), sentences)
    if reply.failure is not None:
        raise _ERRORS[reply.failure.kind](reply.failure.message)
    return {label: reply.made[label].prototype() for label in sentences}


def answer(request: Mapping[str, Any]) -> None:
    """What the process does: write the reply to a request. Errors that are meant for people go into it."""
    # What libraries print goes to stderr from here on, so that the reply stands alone.
    reply_to = os.dup(1)
    os.dup2(2, 1)
    _end_with_parent()
    try:
        made = _make(request)
        reply = _Reply({label: PlainPrototype.of(prototype) for label, prototype in made.items()}, None)
    except (BundleError, EncoderError, LabelError) as error:
        kind: Any = type(error).__name__
        reply = _Reply({}, _Failure(kind, str(error)))
    with os.fdopen(reply_to, "w") as stdout:
        json.dump(asdict(reply), stdout)


def _make(request: Mapping[str, Any]) -> dict[str, Prototype]:
    bundle = load_bundle(Path(request["bundle"]))
    text_encoder, recipe = bundle.manifest.text_encoder, bundle.manifest.recipe
    if bundle.sha256 != request["bundle_sha256"] or text_encoder is None or recipe is None:
        raise BundleError(f"{bundle.directory} was replaced by another bundle just now; start again")
    texts = _read(request["sentences"], bundle, text_encoder)
    encoder = bundle.encoder_entry(request["encoder"])
    pool = bundle.pool(encoder)
    known = bundle.prototypes(encoder)
    made = {label: make_prototype(text, pool, recipe.method, recipe.k) for label, text in texts.items()}
    return {label: replace(prototype, kin=_kin(prototype, pool, known)) for label, prototype in made.items()}


def _kin(prototype: Prototype, pool: Pool | None, known: PrototypeSet) -> tuple[str, ...]:
    if pool is None:
        return ()
    owners = set(known.owners[outdone_by(prototype, pool, known.vectors)].tolist())
    return tuple(known.names[owner] for owner in sorted(owners) if known.background[owner])


def _read(
    sentences: Mapping[str, Sequence[str]], bundle: Bundle, entry: TextEncoderEntry
) -> dict[str, Embedding]:
    """Label → its text. The text encoder is gone again when the pool is read."""
    encoder = TextEncoder(*bundle.verified_text_encoder(entry), entry.max_tokens, entry.embedding_dim)
    for label, several in sentences.items():
        n_tokens = max(map(encoder.n_tokens, several))
        if n_tokens > entry.max_tokens:
            raise LabelError(
                f"label {quoted(label)} makes a sentence of {n_tokens} tokens, more than the "
                f"{entry.max_tokens} that the text encoder reads; say it in fewer words"
            )
    return {
        label: mean_text(np.stack([encoder.encode(sentence) for sentence in several]))
        for label, several in sentences.items()
    }


def _run(request: str) -> str:
    try:
        ended = subprocess.run(
            [sys.executable, "-I", "-c", PROGRAM],
            input=request,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EncoderError(
            f"the text encoder did not finish within {TIMEOUT_S:g} s and was ended; {_ELSEWHERE}"
        ) from error
    except OSError as error:
        raise EncoderError(f"the text encoder's process cannot be started: {error}; try again") from error
    if ended.returncode == -signal.SIGKILL:
        raise EncoderError(f"the text encoder was killed, probably for want of memory; {_ELSEWHERE}")
    if ended.returncode < 0:
        raise EncoderError(f"the text encoder was ended by signal {-ended.returncode}; try again")
    if ended.returncode > 0:
        raise EncoderError(
            f"the text encoder failed with exit code {ended.returncode} ({_last_line(ended.stderr)}); "
            f"{_ELSEWHERE}"
        )
    return ended.stdout


def _parsed(output: str, labels: Iterable[str]) -> _Reply:
    unusable = EncoderError(
        f"the text encoder's process gave no answer that can be used ({_last_line(output)}); "
        "install edge-listen anew"
    )
    try:
        reply: _Reply = build(_Reply, json.loads(output))
    except ValueError as error:
        raise unusable from error
    if reply.failure is None and set(reply.made) != set(labels):
        raise unusable
    return reply


def _last_line(output: str) -> str:
    return one_line("".join(output.splitlines()[-1:])) or "it said nothing"


def _end_with_parent() -> None:
    """Have the system kill this process when the one that asked is gone, however that ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
