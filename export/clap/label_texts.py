"""Labels and backgrounds as texts, and the text encoder that a device makes further ones with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.prompts import fill
from edge.text_encoder import TextEncoder, TextTokenizer
from export.clap.background import background_for
from export.clap.checkpoint import Checkpoint
from export.clap.text_encoder import MAX_TOKENS, embed_texts, text_graph
from export.parity import TEXT_LIMITS, Measured, measure

Method = Literal["proto", "zero-shot"]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LabelTexts:
    """What is to be recognised, as texts.

    Attributes:
        labels: names of the labels, then
        backgrounds: names of the sounds that are rivals only.
        embeddings: (n_labels + n_backgrounds, dim) float32, unit norms: each one's text.
        sentences: what each was put into, all prompts of the first, then all of the second and so on.
        sentence_embeddings: (n_sentences, dim) float32, unit norms, in full precision.
        method: how a text becomes a prototype, see `edge.manifest.Recipe`.
        k: likewise.
    """

    labels: tuple[str, ...]
    backgrounds: tuple[str, ...]
    embeddings: NDArray[np.float32]
    sentences: tuple[str, ...]
    sentence_embeddings: NDArray[np.float32]
    method: Method
    k: int


def read_texts(
    checkpoint: Checkpoint,
    tokenizer: Path,
    labels: Sequence[str],
    prompts: Sequence[str],
    method: Method,
    k: int,
) -> LabelTexts:
    """Embed the texts of the labels, and of the backgrounds that go with them. Raises: LabelError."""
    backgrounds = background_for(labels)
    logger.info("embedding the texts of %d labels and %d backgrounds", len(labels), len(backgrounds))
    words = [*labels, *(background.text for background in backgrounds)]
    sentences = tuple(fill(prompt, text) for text in words for prompt in prompts)
    to_ids = TextTokenizer(tokenizer, MAX_TOKENS)
    token_ids = [to_ids.tokens(sentence) for sentence in sentences]
    rows = embed_texts(checkpoint.state, token_ids, checkpoint.architecture.text_layer_norm_eps)
    means = rows.reshape(len(words), len(prompts), -1).mean(axis=1)
    return LabelTexts(
        labels=tuple(labels),
        backgrounds=tuple(background.name for background in backgrounds),
        embeddings=means / np.linalg.norm(means, axis=1, keepdims=True),
        sentences=sentences,
        sentence_embeddings=rows,
        method=method,
        k=k,
    )


def export_text_encoder(checkpoint: Checkpoint, tokenizer: Path, texts: LabelTexts, file: Path) -> Measured:
    """Write the graph for devices, and measure it on the labels' own sentences."""
    logger.info("exporting the text encoder")
    file.write_bytes(text_graph(checkpoint.state, checkpoint.architecture.text_layer_norm_eps))
    encoder = TextEncoder(file, tokenizer, MAX_TOKENS)
    found = np.array([encoder.encode(sentence) for sentence in texts.sentences])
    return measure("text_int8", "text_fp32", found, texts.sentence_embeddings, TEXT_LIMITS)
