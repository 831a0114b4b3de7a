"""Classes' names → sentences → text embeddings, by the bundle's own text encoder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle
from edge.prompts import DEFAULT_PROMPT, SLOT, fill
from edge.prototypes import mean_text
from edge.text_encoder import TextEncoder
from edge.types import Embedding
from export.pool.cache import EmbeddingCache
from export.progress import progress


@dataclass(frozen=True)
class Prompt:
    """A sentence that a class's name is put into.

    Attributes:
        template: with `{label}` in it.
        lower: whether the whole sentence is put in lower case.
    """

    template: str
    lower: bool = False

    def sentence(self, name: str) -> str:
        """For a class's name, `_` for spaces or not."""
        sentence = fill(self.template, name)
        return sentence.lower() if self.lower else sentence

    def __str__(self) -> str:
        """As tables show it."""
        return f"{self.template.lower()} (lower case)" if self.lower else self.template


DEFAULT = Prompt(DEFAULT_PROMPT)
TABLE_2 = tuple(
    Prompt(template)
    for template in (
        SLOT,
        f"I can hear {SLOT}",
        f"This is an audio of {SLOT}",
        f"This is {SLOT}",
        DEFAULT_PROMPT,
    )
)
"""The five prompts that the paper compares; LAION-CLAP's is the last."""
ALL_PROMPTS = (*TABLE_2, *(Prompt(prompt.template, lower=True) for prompt in TABLE_2))
_KEPT_AS = "a sentence"
Sentences = Mapping[str, Embedding]
"""Sentence → (dim,) float32, unit L2 norm."""


def class_texts(names: Sequence[str], prompts: Sequence[Prompt], sentences: Sentences) -> NDArray[np.float32]:
    """Each class's text, averaged over prompts where there are several.

    Returns: (n_classes, dim) float32, unit rows.
    Raises: KeyError if a sentence is missing.
    """
    return np.stack(
        [mean_text(np.stack([sentences[prompt.sentence(name)] for prompt in prompts])) for name in names]
    )


def read_sentences(
    bundle: Bundle, wanted: Sequence[str], cache: EmbeddingCache
) -> dict[str, Embedding] | None:
    """Embed sentences with the bundle's text encoder, or as the cache has them; None if it has no encoder.

    Raises: BundleError, EncoderError, LabelError; PoolError if the cache cannot be written.
    """
    entry = bundle.manifest.text_encoder
    if entry is None:
        return None
    graph, tokenizer = bundle.verified_text_encoder(entry)
    made_by = "-".join(bundle.manifest.files[name].sha256 for name in (*entry.files, entry.tokenizer))
    read: dict[str, Embedding] = {}
    lacking = []
    for sentence in dict.fromkeys(wanted):
        known = cache.get(_content(sentence), made_by, _KEPT_AS)
        if known is None or known.shape != (1, entry.embedding_dim):
            lacking.append(sentence)
        else:
            read[sentence] = known[0]
    if lacking:
        encoder = TextEncoder(graph, tokenizer, entry.max_tokens, entry.embedding_dim)
        for sentence in progress(lacking, desc="reading texts", unit=" texts"):
            read[sentence] = encoder.encode(sentence)
            cache.put(_content(sentence), _KEPT_AS, {made_by: read[sentence][None]})
    return read


def _content(sentence: str) -> str:
    return hashlib.sha256(sentence.encode()).hexdigest()
