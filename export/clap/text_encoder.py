"""CLAP's text encoder, RoBERTa with a projection: from a checkpoint's weights to the graph for devices.

One text at a time and unpadded, so no mask. The device's graph is int8: the weights of matrix products with a
scale for each channel, and the table of words, three tenths of all weights, with a scale for each word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from export.onnx_export import to_onnx
from export.quantize import dynamic_int8

MAX_TOKENS = 77
"""Of a text, its <s> and </s> included, as the model was taught."""
HEAD_DIM = 64
PAD = 1
"""RoBERTa's <pad>: takes the position of this number; all others count from the next."""
LAYER_NORM_EPS = 1e-5


def _fixed(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)


class WordTable(nn.Module):
    """A vector for each token id."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.vectors = _fixed(vectors)

    def forward(self, token_ids: Tensor) -> Tensor:
        """(1, n_tokens) int64 → (1, n_tokens, width) float32."""
        return self.vectors[token_ids]


class SmallWordTable(nn.Module):
    """The same in a quarter of the memory: int8, and for each id a scale."""

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        # A vector of zeros needs a scale too.
        scales = vectors.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
        self.scales = _fixed(scales)
        self.steps = _fixed((vectors / scales).round().to(torch.int8))

    def forward(self, token_ids: Tensor) -> Tensor:
        """(1, n_tokens) int64 → (1, n_tokens, width) float32."""
        return self.steps[token_ids].to(torch.float32) * self.scales[token_ids]


class Linear(nn.Module):
    """One or more of the checkpoint's linear layers, side by side."""

    def __init__(self, state: Mapping[str, Tensor], *names: str) -> None:
        super().__init__()
        self.weight = _fixed(torch.cat([state[f"{name}.weight"] for name in names]))
        self.bias = _fixed(torch.cat([state[f"{name}.bias"] for name in names]))

    def forward(self, x: Tensor) -> Tensor:
        """(…, n_in) → (…, n_out)."""
        return functional.linear(x, self.weight, self.bias)


class LayerNorm(nn.Module):
    """One of the checkpoint's normalisations."""

    def __init__(self, state: Mapping[str, Tensor], name: str, eps: float) -> None:
        super().__init__()
        self.weight, self.bias = _fixed(state[f"{name}.weight"]), _fixed(state[f"{name}.bias"])
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """(…, width) → (…, width)."""
        return functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


class Layer(nn.Module):
    """One of RoBERTa's layers: attention, then two linear layers, each added and normalised."""

    def __init__(self, state: Mapping[str, Tensor], prefix: str, eps: float) -> None:
        super().__init__()
        attention = f"{prefix}.attention"
        self.attended = Linear(state, *(f"{attention}.self.{part}" for part in ("query", "key", "value")))
        self.mixed = Linear(state, f"{attention}.output.dense")
        self.mixed_norm = LayerNorm(state, f"{attention}.output.LayerNorm", eps)
        self.widened = Linear(state, f"{prefix}.intermediate.dense")
        self.narrowed = Linear(state, f"{prefix}.output.dense")
        self.narrowed_norm = LayerNorm(state, f"{prefix}.output.LayerNorm", eps)
        self.width = len(self.mixed.bias)
        # The scale of the attention goes into the queries: a power of two, so nothing is rounded.
        self.attended.weight[: self.width] *= HEAD_DIM**-0.5
        self.attended.bias[: self.width] *= HEAD_DIM**-0.5

    def forward(self, x: Tensor) -> Tensor:
        """(1, n_tokens, width) → (1, n_tokens, width)."""
        parts = self.attended(x).reshape(1, -1, 3, self.width // HEAD_DIM, HEAD_DIM)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind()
        shares = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
        heads = (shares @ value).transpose(1, 2).reshape(1, -1, self.width)
        x = self.mixed_norm(x + self.mixed(heads))
        embedded: Tensor = self.narrowed_norm(x + self.narrowed(functional.gelu(self.widened(x))))
        return embedded


class ClapTextEncoder(nn.Module):
    """RoBERTa, its pooled first token, the projection, unit norm; sizes are those of the weights.

    Args:
        state: a LAION checkpoint's weights, float32, by its names without `module.`; those of `text_branch.`
            and `text_projection.` are taken.
        layer_norm_eps: RoBERTa's own; a checkpoint does not hold it.
    """

    def __init__(self, state: Mapping[str, Tensor], layer_norm_eps: float = LAYER_NORM_EPS) -> None:
        super().__init__()
        embeddings = "text_branch.embeddings"
        self.words: nn.Module = WordTable(state[f"{embeddings}.word_embeddings.weight"])
        # There is one type of token, so its vector is a part of every position's.
        self.positions = _fixed(
            state[f"{embeddings}.position_embeddings.weight"]
            + state[f"{embeddings}.token_type_embeddings.weight"][:1]
        )
        self.norm = LayerNorm(state, f"{embeddings}.LayerNorm", layer_norm_eps)
        prefixes = [f"text_branch.encoder.layer.{index}" for index in range(_n_layers(state))]
        self.layers = nn.Sequential(*(Layer(state, prefix, layer_norm_eps) for prefix in prefixes))
        self.pooler = Linear(state, "text_branch.pooler.dense")
        self.projection = nn.Sequential(
            Linear(state, "text_projection.0"), nn.ReLU(), Linear(state, "text_projection.2")
        )
        self.eval()

    def forward(self, token_ids: Tensor) -> Tensor:
        """Embed one text.

        token_ids: (1, n_tokens) int64, <s> and </s> included, unpadded. A <pad> can only be one that the text
            itself spells out.
        Returns: (1, 512) float32, unit L2 norm.
        """
        counted = (token_ids != PAD).to(torch.int64)
        positions = torch.cumsum(counted, dim=1) * counted + PAD
        x = self.layers(self.norm(self.words(token_ids) + self.positions[positions]))
        # Of three dimensions throughout, so that every product is a MatMul, the kind that is quantised.
        projected: Tensor = self.projection(torch.tanh(self.pooler(x[:, :1])))[:, 0]
        embedding: Tensor = projected / torch.linalg.vector_norm(projected, dim=1, keepdim=True)
        return embedding


def _n_layers(state: Mapping[str, Tensor]) -> int:
    return sum(
        name.startswith("text_branch.") and name.endswith(".attention.output.LayerNorm.weight")
        for name in state
    )


def embed_texts(
    state: Mapping[str, Tensor], texts: Sequence[Sequence[int]], layer_norm_eps: float = LAYER_NORM_EPS
) -> NDArray[np.float32]:
    """Embed texts in full precision.

    state: see `ClapTextEncoder`. texts: the token ids of each, <s> and </s> included.
    Returns: (n_texts, 512) float32, unit L2 norms.
    """
    encoder = ClapTextEncoder(state, layer_norm_eps)
    with torch.inference_mode():
        rows = [encoder(torch.tensor([token_ids])).numpy() for token_ids in texts]
    return np.concatenate(rows)


def text_graph(state: Mapping[str, Tensor], layer_norm_eps: float = LAYER_NORM_EPS) -> bytes:
    """The text encoder as the ONNX graph for devices.

    state: see `ClapTextEncoder`.
    Returns: `token_ids` int64 (1, n_tokens) → `embedding` float32 (1, 512) of unit norm; int8 weights.
    """
    encoder = ClapTextEncoder(state, layer_norm_eps)
    encoder.words = SmallWordTable(state["text_branch.embeddings.word_embeddings.weight"])
    model = to_onnx(encoder, {"token_ids": torch.tensor([[0, 3, 4, 2]])}, "embedding", {"token_ids": 1})
    model = dynamic_int8(model)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
