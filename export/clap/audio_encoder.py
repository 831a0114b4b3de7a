"""LAION-CLAP's audio encoder (HTSAT, a Swin transformer over a folded log-mel) written for export.

The same weights and the same arithmetic as `laion_clap`'s, laid out for a graph of few and large operations:

- tokens always lie in the order of the windows that attend to each other, so that a cyclic shift, a window
  partition and a patch merging are together one gather a block;
- the relative position bias and the mask of shifted windows are one constant;
- the queries' scale is part of their weights;
- the bicubic stretch from 1001 to 1024 frames is four gathered rows a frame;
- heads that only training needs are left out, and so is the fusion of clips longer than ten seconds, which a
  window never is.

Chen et al., "HTS-AT", ICASSP 2022; Wu et al., "Large-scale contrastive language-audio pretraining", 2023.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.clap.architecture import (
    AUDIO_LAYER_NORM_EPS,
    MEL_BINS,
    PATCH_SIZE,
    SPEC_SIZE,
    WINDOW_SIZE,
    Architecture,
)
from export.clap.geometry import (
    MASKED,
    N_FRAMES,
    SEAM,
    Image,
    bicubic_taps,
    merged_cells,
    positions_in,
    relative_positions,
    shift_mask,
    window_of,
    window_order,
)

BATCH_NORM_EPS = 1e-5


class ClapAudioEncoder(nn.Module):
    """Log-mel → embedding.

    Args:
        state: the checkpoint's tensors, by LAION's keys.
        architecture: their sizes.
        image: HALF looks at the first of a window's two repetitions only. That is half the work and nearly,
            not exactly, the same; and wrong for a clip that isn't five seconds repeated.
    """

    def __init__(
        self, state: Mapping[str, Tensor], architecture: Architecture, image: Image = Image.WHOLE
    ) -> None:
        super().__init__()
        weights = _Weights(state, "audio_branch.")
        self.patches = _Patches(weights, image)
        layers: list[nn.Module] = []
        order = window_order(image.grid(0), 0)
        for stage, (depth, n_heads) in enumerate(zip(architecture.depths, architecture.n_heads, strict=True)):
            grid = image.grid(stage)
            for block in range(depth):
                # The last grid is a single window, which cannot be shifted.
                shift = WINDOW_SIZE // 2 if block % 2 and max(grid) > WINDOW_SIZE else 0
                block_order = window_order(grid, shift)
                if not (order == block_order).all():
                    layers.append(_Gather(positions_in(order, block_order)))
                of_block = weights.below(f"layers.{stage}.blocks.{block}.")
                mask = (
                    shift_mask(grid, shift, seam=SEAM if image is Image.HALF else MASKED) if shift else None
                )
                layers.append(_Block(of_block, n_heads, grid, mask))
                order = block_order
            if stage < len(architecture.depths) - 1:
                layers.append(_Gather(positions_in(order, merged_cells(grid))))
                layers.append(_Merging(weights.below(f"layers.{stage}.downsample."), math.prod(grid)))
                order = window_order(image.grid(stage + 1), 0)
        self.layers = nn.Sequential(*layers)
        self.norm = weights.layer_norm("norm")
        projection = _Weights(state, "audio_projection.")
        self.projection = nn.Sequential(projection.linear("0"), nn.ReLU(), projection.linear("2"))
        self.eval()

    def forward(self, log_mel: Tensor) -> Tensor:
        """Embed clips.

        log_mel: (batch, 1001, 64) float32, dB.
        Returns: (batch, 512) float32, unit L2 norm.
        """
        tokens = self.norm(self.layers(self.patches(log_mel)))
        projected = self.projection(tokens.mean(dim=1))
        norm = torch.sqrt(torch.sum(projected * projected, dim=-1, keepdim=True))
        embedding: Tensor = projected / norm
        return embedding


class _Weights:
    """A part of the checkpoint, as modules."""

    def __init__(self, state: Mapping[str, Tensor], prefix: str) -> None:
        self._state, self._prefix = state, prefix

    def below(self, prefix: str) -> _Weights:
        return _Weights(self._state, self._prefix + prefix)

    def __getitem__(self, key: str) -> Tensor:
        return self._state[self._prefix + key].detach()

    def linear(self, name: str, rows: slice = slice(None), scale: float = 1.0) -> nn.Linear:
        """A linear layer, or some of its outputs, times `scale`."""
        weight = self[f"{name}.weight"][rows] * scale
        has_bias = f"{self._prefix}{name}.bias" in self._state
        linear = nn.Linear(weight.shape[1], weight.shape[0], bias=has_bias)
        linear.weight = nn.Parameter(weight, requires_grad=False)
        if has_bias:
            linear.bias = nn.Parameter(self[f"{name}.bias"][rows] * scale, requires_grad=False)
        return linear

    def layer_norm(self, name: str) -> nn.LayerNorm:
        norm = nn.LayerNorm(len(self[f"{name}.weight"]), eps=AUDIO_LAYER_NORM_EPS)
        norm.weight = nn.Parameter(self[f"{name}.weight"], requires_grad=False)
        norm.bias = nn.Parameter(self[f"{name}.bias"], requires_grad=False)
        return norm


class _Patches(nn.Module):
    """Log-mel → normalised, stretched to 1024 frames, cut into 4 x 4 patches in window order, embedded."""

    gain: Tensor
    offset: Tensor
    taps: Tensor
    tap_weights: Tensor

    def __init__(self, weights: _Weights, image: Image) -> None:
        super().__init__()
        self.image = image
        gain = weights["bn0.weight"] / torch.sqrt(weights["bn0.running_var"] + BATCH_NORM_EPS)
        self.register_buffer("gain", gain)
        self.register_buffer("offset", weights["bn0.bias"] - weights["bn0.running_mean"] * gain)
        taps, tap_weights = bicubic_taps(N_FRAMES, Image.WHOLE.n_frames)
        self.register_buffer("taps", torch.from_numpy(taps[: image.n_frames]).flatten())
        self.register_buffer("tap_weights", torch.from_numpy(tap_weights[: image.n_frames])[:, :, None])
        kernel = weights["patch_embed.proj.weight"]
        self.embed = nn.Linear(PATCH_SIZE * PATCH_SIZE, len(kernel))
        # The kernel is (mel, time), as the image is; the log-mel is (time, mel).
        self.embed.weight = nn.Parameter(kernel[:, 0].transpose(1, 2).flatten(1), requires_grad=False)
        self.embed.bias = nn.Parameter(weights["patch_embed.proj.bias"], requires_grad=False)
        self.norm = weights.layer_norm("patch_embed.norm")

    def forward(self, log_mel: Tensor) -> Tensor:
        """log_mel: (batch, 1001, 64). Returns: (batch, n_tokens, patch_dim), in window order."""
        normalised = log_mel * self.gain + self.offset
        near = normalised[:, self.taps].view(-1, self.image.n_frames, 4, MEL_BINS)
        stretched = (near * self.tap_weights).sum(dim=2)
        # Each stretch's 64 bands are two windows high.
        rows, columns = MEL_BINS // PATCH_SIZE // WINDOW_SIZE, SPEC_SIZE // PATCH_SIZE // WINDOW_SIZE
        stretches = (-1, self.image.value, columns, WINDOW_SIZE, PATCH_SIZE, rows, WINDOW_SIZE, PATCH_SIZE)
        windows = stretched.view(stretches).permute(0, 1, 5, 2, 6, 3, 4, 7)
        n_tokens = self.image.n_frames * MEL_BINS // PATCH_SIZE**2
        embedded: Tensor = self.norm(self.embed(windows.reshape(-1, n_tokens, PATCH_SIZE**2)))
        return embedded


class _Gather(nn.Module):
    """Tokens into another order."""

    positions: Tensor

    def __init__(self, positions: NDArray[np.int64]) -> None:
        super().__init__()
        self.register_buffer("positions", torch.from_numpy(positions))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, n_tokens, dim). Returns: the same shape."""
        gathered: Tensor = tokens[:, self.positions]
        return gathered


class _Block(nn.Module):
    """Attention within windows, then a perceptron.

    mask: see `shift_mask`; None if nothing is to be kept apart.
    """

    bias: Tensor

    def __init__(
        self, weights: _Weights, n_heads: int, grid: tuple[int, int], mask: NDArray[np.float32] | None
    ) -> None:
        super().__init__()
        self.norm1, self.norm2 = weights.layer_norm("norm1"), weights.layer_norm("norm2")
        dim, n_tokens = len(weights["norm1.weight"]), math.prod(grid)
        per_window = math.prod(window_of(grid))
        self.heads = (-1, n_tokens // per_window, per_window, n_heads, dim // n_heads)
        self.tokens = (-1, n_tokens, dim)
        of_query, of_key, of_value = (slice(part * dim, (part + 1) * dim) for part in range(3))
        self.query = weights.linear("attn.qkv", of_query, (dim // n_heads) ** -0.5)
        self.key = weights.linear("attn.qkv", of_key)
        self.value = weights.linear("attn.qkv", of_value)
        self.out = weights.linear("attn.proj")
        self.wide, self.narrow = weights.linear("mlp.fc1"), weights.linear("mlp.fc2")
        table = weights["attn.relative_position_bias_table"]
        bias = table[torch.from_numpy(relative_positions(window_of(grid)))].permute(2, 0, 1).contiguous()
        self.register_buffer("bias", bias if mask is None else bias + torch.from_numpy(mask))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, n_tokens, dim) in this block's window order. Returns: the same."""
        tokens = tokens + self.attention(self.norm1(tokens))
        wider = functional.gelu(self.wide(self.norm2(tokens)))
        added: Tensor = tokens + self.narrow(wider)
        return added

    def attention(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, n_tokens, dim). Returns: the same shape."""
        query = self.query(tokens).view(self.heads).transpose(2, 3)
        key = self.key(tokens).view(self.heads).permute(0, 1, 3, 4, 2)
        value = self.value(tokens).view(self.heads).transpose(2, 3)
        weights = torch.softmax(query @ key + self.bias, dim=-1)
        mixed: Tensor = self.out((weights @ value).transpose(2, 3).reshape(self.tokens))
        return mixed


class _Merging(nn.Module):
    """Four neighbouring tokens → one of twice the width."""

    def __init__(self, weights: _Weights, n_tokens: int) -> None:
        super().__init__()
        self.norm = weights.layer_norm("norm")
        self.reduction = weights.linear("reduction")
        self.fours = (-1, n_tokens // 4, len(weights["norm.weight"]))

    def forward(self, tokens: Tensor) -> Tensor:
        """tokens: (batch, n, dim), those to unite side by side. Returns: (batch, n / 4, 2 · dim)."""
        merged: Tensor = self.reduction(self.norm(tokens.view(self.fours)))
        return merged
