"""Labels and backgrounds as texts, and the text encoder that a device makes further ones with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.prompts import fill
from edge.prototypes import Method, mean_text
from edge.text_encoder import TextEncoder, TextTokenizer
from export.clap.background import BACKGROUND
from export.clap.checkpoint import Checkpoint
from export.clap.text_encoder import MAX_TOKENS, embed_texts, text_graph
from export.parity import TEXT_LIMITS, Measured, measure

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class LabelTexts:
    """What is to be recognised, as texts.

    Attributes:
        labels: names of the labels.
        embeddings: (n_labels + n_backgrounds, dim) float32, unit norms: the text of each label, then of each
            background.
        sentences: what each was put into, all prompts of the first, then all of the second and so on.
        sentence_embeddings: (n_sentences, dim) float32, unit norms, in full precision.
        method: how a text becomes a prototype, see `edge.manifest.Recipe`.
        k: likewise.
    """

    labels: tuple[str, ...]
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
    """Embed the texts of the labels and of the backgrounds. Raises: LabelError."""
    logger.info("embedding texts: %d of labels, %d of backgrounds", len(labels), len(BACKGROUND))
    words = [*labels, *(background.text for background in BACKGROUND)]
    sentences = tuple(fill(prompt, text) for text in words for prompt in prompts)
    to_ids = TextTokenizer(tokenizer, MAX_TOKENS)
    token_ids = [to_ids.tokens(sentence) for sentence in sentences]
    rows = embed_texts(checkpoint.state, token_ids, checkpoint.architecture.text_layer_norm_eps)
    by_label = rows.reshape(len(words), len(prompts), -1)
    return LabelTexts(
        labels=tuple(labels),
        embeddings=np.array([mean_text(of_label) for of_label in by_label]),
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
