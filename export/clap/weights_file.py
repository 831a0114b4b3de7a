"""A file of weights → its tensors, without running anything that it holds.

Both PyTorch's own format and safetensors are read; the file's content tells which it is, not its name.
"""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch

from export.clap.errors import CheckpointError

_FETCH_AGAIN = "download it again"
_OTHER_FILES = {
    b"version https://git-lfs": "only points to the weights (git-lfs): run `git lfs pull` beside it",
    b"<": "is a web page: download the file itself, by its resolve/ address",
    b"RIFF": "is a sound (WAV): give a checkpoint, .pt or .safetensors",
    b"fLaC": "is a sound (FLAC): give a checkpoint, .pt or .safetensors",
    b"OggS": "is a sound (Ogg): give a checkpoint, .pt or .safetensors",
}
_DTYPES = (torch.float32, torch.int64)
_NARROW_DTYPES = (torch.float16, torch.bfloat16)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a file, in its order; of a whole training's file, those under "state_dict".

    Returns: key → float32 (float16 and bfloat16 are widened) or int64, on the CPU. They may lie in the file,
        which must not be changed while they are in use.
    Raises: CheckpointError, of one line, if there is no such file, or it isn't one of weights alone.
    """
    start = _first_bytes(path)
    loaded = _read_safetensors(path) if start[8:9] == b"{" else _read_torch(path, start)
    state = loaded.get("state_dict", loaded) if isinstance(loaded, Mapping) else None
    if not isinstance(state, Mapping) or not state:
        raise CheckpointError(f"{path} holds no weights: a checkpoint maps names to tensors")
    return {str(key): _checked(path, key, value) for key, value in state.items()}


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if not start:
        raise CheckpointError(f"{path} is empty: {_FETCH_AGAIN}")
    for beginning, reason in _OTHER_FILES.items():
        if start.lstrip().startswith(beginning):
            raise CheckpointError(f"{path} {reason}")
    return start


def _read_safetensors(path: Path) -> Mapping[str, object]:
    try:
        from safetensors import SafetensorError  # noqa: PLC0415
        from safetensors.torch import load_file  # noqa: PLC0415
    except ImportError as error:
        raise CheckpointError(f'{path} needs safetensors: pip install "edge-listen[export]"') from error
    try:
        tensors: Mapping[str, object] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or cut short ({_line(error)}): {_FETCH_AGAIN}") from error
    return tensors


def _read_torch(path: Path, start: bytes) -> object:
    is_zip = start.startswith(b"PK")
    if is_zip and not zipfile.is_zipfile(path):
        raise CheckpointError(
            f"{path} is cut short: its end is missing after {path.stat().st_size} bytes; {_FETCH_AGAIN}"
        )
    if not is_zip and not start.startswith(b"\x80"):
        raise CheckpointError(f"{path} is not a checkpoint: neither PyTorch's format nor safetensors")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_NUMPY_SCALARS):
            warnings.simplefilter("ignore")  # of unusual pickles, which are refused if need be
            loaded: object = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except UnpicklingError as error:
        raise CheckpointError(_refusal(path, error)) from error
    except (RuntimeError, ValueError, TypeError, LookupError, EOFError, OSError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no checkpoint ({_line(error)}): {_FETCH_AGAIN}"
        ) from error
    return loaded


def _refusal(path: Path, error: UnpicklingError) -> str:
    named = re.search(r"GLOBAL ([\w.]+)", str(error))
    what = f"code or objects ({named[1]})" if named else f"something else than weights ({_line(error)})"
    return f"{path} holds {what}, which is never run: get the checkpoint from where it was published"


def _line(error: Exception) -> str:
    """The beginning of an error's message; PyTorch's run over many lines of advice to programmers."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:120] if lines else type(error).__name__


def _checked(path: Path, key: object, value: object) -> torch.Tensor:
    if not isinstance(value, torch.Tensor):
        raise CheckpointError(
            f"{path} is not a checkpoint: under {key!r} is {type(value).__name__}, not a tensor"
        )
    if value.layout != torch.strided or value.dtype not in _DTYPES + _NARROW_DTYPES:
        found = str(value.dtype if value.layout == torch.strided else value.layout).removeprefix("torch.")
        raise CheckpointError(
            f"{path}: {key} is {found}; only float32, float16 and bfloat16 are read: give the original"
        )
    value = value.detach()
    return value.to(torch.float32) if value.dtype in _NARROW_DTYPES else value


class _ScalarType:
    """What stands for numpy's dtype while a file is read, and knows only those of numbers.

    A checkpoint may hold numpy scalars (a best score, a learning rate), which nothing here needs. Numpy's own
    functions would build whatever a hostile file describes, so these look at it first.
    """

    def __init__(self, name: str, *_: object) -> None:
        if not re.fullmatch(r"[biuf][1248]", name):
            raise UnpicklingError(f"a numpy scalar of type {name[:20]!r}")
        self.dtype = np.dtype(name)

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


def _scalar(kind: object, data: object) -> object:
    if not isinstance(kind, _ScalarType) or not isinstance(data, bytes) or len(data) != kind.dtype.itemsize:
        raise UnpicklingError("a numpy scalar that is not a number")
    return np.frombuffer(data, kind.dtype)[0]


_NUMPY_SCALARS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_ScalarType, "numpy.dtype"),
    (_scalar, "numpy.core.multiarray.scalar"),
    (_scalar, "numpy._core.multiarray.scalar"),
]
"""All that a file may hold besides tensors and plain values, by the names of numpy 1 and 2."""
