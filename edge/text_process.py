"""Texts → embeddings by a process of its own, so that what the text encoder takes of memory comes back.

A request goes to its standard input, a reply comes from its standard output, both JSON. The process that asks
loads neither tokenizer nor graph.
"""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.errors import BundleError, EncoderError, LabelError, SoundError
from edge.text_encoder import TextEncoder

TIMEOUT_S = 600.0
"""A Raspberry Pi Zero needs about a minute; what takes this long hangs."""
PROGRAM = (
    "import json, sys; request = json.load(sys.stdin); sys.path[:] = request.pop('sys_path'); "
    "from edge.text_process import answer; answer(request)"
)
"""What the process runs. It gets this one's import path: its own would begin with the working directory."""
_PR_SET_PDEATHSIG = 1
_ELSEWHERE = "make the label on a larger machine instead: edge-export clap --labels"


def embed_texts(
    texts: Sequence[str], graph: Path, tokenizer: Path, max_tokens: int, embedding_dim: int
) -> NDArray[np.float32]:
    """Embed texts, one or more.

    The paths and `max_tokens` are as for `edge.text_encoder.TextEncoder`.
    Returns: (n_texts, embedding_dim) float32, unit L2 norms.
    Raises: what `TextEncoder` raises; EncoderError if the process fails otherwise, is killed or hangs.
    """
    request = {
        "sys_path": sys.path,
        "texts": list(texts),
        "graph": str(graph),
        "tokenizer": str(tokenizer),
        "max_tokens": max_tokens,
        "embedding_dim": embedding_dim,
    }
    reply = _run(json.dumps(request))
    if "error" in reply:
        kinds: dict[str, type[SoundError]] = {k.__name__: k for k in (BundleError, LabelError)}
        raise kinds.get(reply["error"], EncoderError)(reply["message"])
    return np.array(reply["embeddings"], np.float32).reshape(len(texts), embedding_dim)


def answer(request: dict[str, Any]) -> None:
    """What the process does: write the reply to a request. Errors that are meant for people go into it."""
    _end_with_parent()
    try:
        encoder = TextEncoder(
            Path(request["graph"]),
            Path(request["tokenizer"]),
            request["max_tokens"],
            request["embedding_dim"],
        )
        reply: dict[str, object] = {
            "embeddings": [encoder.encode(text).tolist() for text in request["texts"]]
        }
    except SoundError as error:
        reply = {"error": type(error).__name__, "message": str(error)}
    json.dump(reply, sys.stdout)


def _run(request: str) -> dict[str, Any]:
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
    try:
        reply: dict[str, Any] = json.loads(ended.stdout)
    except ValueError as error:
        said = ascii("".join(ended.stderr.splitlines()[-1:])[:200])
        raise EncoderError(
            f"the text encoder failed with exit code {ended.returncode} ({said[1:-1]}); {_ELSEWHERE}"
        ) from error
    return reply


def _end_with_parent() -> None:
    """Have the system kill this process when the one that asked is gone, however that ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
