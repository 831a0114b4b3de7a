"""LAION's own audio encoder, which ours is measured against: the only import of laion_clap.

Importing the package as a whole fetches three tokenizers from the network and needs packages that it doesn't
declare. What is needed of it is one module, which is loaded here without the package's `__init__`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from edge.errors import SoundError
from export.clap.architecture import MEL_BINS, N_CLASSES, Architecture

_STAND_INS = ("torchvision", "torchvision.ops", "torchvision.ops.misc", "h5py")
"""What the module imports and never uses here."""


_NOT_NEEDED = (
    "spectrogram_extractor", "logmel_extractor", "tscam_conv", "head", "attn_mask", "relative_position_index",
    "num_batches_tracked",
)  # fmt: skip
"""What a checkpoint in transformers' layout lacks, and embedding doesn't use."""


class ReferenceMissingError(SoundError, ImportError):
    """laion_clap, or something that it needs, is not installed."""


class Reference:
    """LAION's audio encoder with its projection.

    Args:
        state: the checkpoint's tensors, by LAION's keys.
        architecture: their sizes.

    Attributes:
        version: of laion_clap.

    Raises: ReferenceMissingError.
    """

    def __init__(self, state: Mapping[str, Tensor], architecture: Architecture) -> None:
        self.version, htsat = _load_htsat()
        config = SimpleNamespace(
            model_name=architecture.name.removeprefix("HTSAT-"), class_num=N_CLASSES, mel_bins=MEL_BINS,
            sample_rate=48000, window_size=1024, hop_size=480, fmin=50, fmax=14000,
        )  # fmt: skip
        self._is_fusion = architecture.fusion
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of torch, on laion_clap's use of meshgrid
            self.branch: nn.Module = htsat.create_htsat_model(
                config, architecture.fusion, "aff_2d" if architecture.fusion else "None"
            )
        own = {k.removeprefix("audio_branch."): v for k, v in state.items() if k.startswith("audio_branch.")}
        missing = self.branch.load_state_dict(own, strict=False).missing_keys
        needed = [key for key in missing if not any(part in key for part in _NOT_NEEDED)]
        if needed:
            raise ValueError(f"laion_clap's encoder needs {needed[0]}, which the checkpoint lacks")
        first, second = (state[f"audio_projection.{n}.weight"] for n in (0, 2))
        self.projection = nn.Sequential(
            nn.Linear(first.shape[1], first.shape[0]), nn.ReLU(), nn.Linear(second.shape[1], second.shape[0])
        )
        prefix = "audio_projection."
        self.projection.load_state_dict(
            {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        )
        self.branch.eval()
        self.projection.eval()

    def embed_clips(self, clips: Tensor) -> Tensor:
        """As laion_clap embeds waveforms, its own front end included; without fusion only.

        clips: (batch, 480000) float32. Returns: (batch, 512) float32, unit L2 norm.
        """
        if self._is_fusion:
            raise ValueError(
                "with fusion, laion_clap's front end is torchaudio's and lies outside the encoder"
            )
        return self._embed({"waveform": clips})

    def embed(self, log_mel: Tensor) -> Tensor:
        """From a log-mel, skipping laion_clap's own front end.

        log_mel: (batch, 1001, 64) float32, dB. Returns: (batch, 512) float32, unit L2 norm.
        """
        if self._is_fusion:
            none_longer = torch.zeros(len(log_mel), 1, dtype=torch.bool)
            return self._embed({"mel_fusion": log_mel[:, None].repeat(1, 4, 1, 1), "longer": none_longer})
        extractors: Any = self.branch
        own = extractors.spectrogram_extractor, extractors.logmel_extractor
        extractors.spectrogram_extractor = extractors.logmel_extractor = nn.Identity()
        try:
            return self._embed({"waveform": log_mel[:, None]})
        finally:
            extractors.spectrogram_extractor, extractors.logmel_extractor = own

    @torch.no_grad()
    def _embed(self, inputs: Mapping[str, Tensor]) -> Tensor:
        latent = self.branch(dict(inputs), mixup_lambda=None, device=torch.device("cpu"))["embedding"]
        return nn.functional.normalize(self.projection(latent), dim=-1)


def _load_htsat() -> tuple[str, Any]:
    spec = importlib.util.find_spec("laion_clap")
    if spec is None or not spec.submodule_search_locations:
        raise ReferenceMissingError('laion_clap is not installed: pip install "edge-listen[reference]"')
    package = Path(spec.submodule_search_locations[0])
    with _stand_ins(package):
        try:
            htsat = importlib.import_module("laion_clap.clap_module.htsat")
        except ModuleNotFoundError as error:
            raise ReferenceMissingError(
                f"laion_clap needs {error.name}, which is not installed: pip install {error.name}"
            ) from error
        except Exception as error:  # whatever it and what it imports may raise; it is no part of the product
            raise ReferenceMissingError(
                f"laion_clap cannot be imported ({' '.join(str(error).split())[:200]}): use an "
                "environment of its own for the comparison"
            ) from error
    return importlib.metadata.version("laion_clap"), htsat


@contextmanager
def _stand_ins(package: Path) -> Iterator[None]:
    """Empty packages in place of laion_clap's, whose `__init__` is not to run, and of what it doesn't use."""
    made: dict[str, ModuleType] = {}
    for name, folder in (("laion_clap", package), ("laion_clap.clap_module", package / "clap_module")):
        made[name] = ModuleType(name)
        made[name].__path__ = [str(folder)]
    for name in _STAND_INS:
        if name not in sys.modules:
            made[name] = ModuleType(name)
    if "torchvision.ops.misc" in made:
        made["torchvision.ops.misc"].FrozenBatchNorm2d = nn.BatchNorm2d  # type: ignore[attr-defined]
    before = {name: sys.modules.get(name) for name in made}
    sys.modules.update(made)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
