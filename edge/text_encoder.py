"""From a text to its embedding: the tokenizer's JSON file and the text encoder's graph, always on the CPU.

A text is embedded once, where labels are made: what this needs of memory is given back with the process that
ran it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edge.errors import BundleError, EncoderError, LabelError, first_line
from edge.onnx_session import AGAIN, Graph, checked_embedding
from edge.types import Embedding

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BEGIN, END = 0, 2
"""RoBERTa's <s> and </s>, around every text."""
_RIGHT_ONE = "use the tokenizer.json of FacebookAI/roberta-base"


class TextTokenizer:
    """The token ids of RoBERTa.

    Args:
        path: a JSON file of the `tokenizers` library.
        max_tokens: of a text, its <s> and </s> included; what is beyond is cut off.

    Raises:
        EncoderError if `tokenizers` is not installed or cannot be imported.
        BundleError if the file is no such tokenizer.
    """

    def __init__(self, path: Path, max_tokens: int) -> None:
        self._tokenizer = _open(path)
        self._max_tokens = max_tokens

    @property
    def n_vocabulary(self) -> int:
        """How many ids there are, those of special tokens included."""
        return int(self._tokenizer.get_vocab_size())

    def tokens(self, text: str) -> list[int]:
        """The ids of a text, <s> and </s> included.

        Raises: LabelError if it holds half a surrogate pair, so is no Unicode text.
        """
        ids = self._all_tokens(text)
        return ids if len(ids) <= self._max_tokens else [*ids[: self._max_tokens - 1], END]

    def n_tokens(self, text: str) -> int:
        """How many ids the whole text has, what is cut off included. Raises: LabelError; see `tokens`."""
        return len(self._all_tokens(text))

    def _all_tokens(self, text: str) -> list[int]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise LabelError(f"{text!r} is not Unicode text; type it again") from error
        ids: list[int] = self._tokenizer.encode(text).ids
        return ids


class TextEncoder:
    """A graph, `token_ids` int64 (1, n_tokens) → `embedding` float32 (1, embedding_dim), and its tokenizer.

    Args:
        graph: the graph's file.
        tokenizer: see `TextTokenizer`.
        max_tokens: see `TextTokenizer`; the most that the graph takes.
        embedding_dim: what the graph must yield; None for any.

    Raises:
        EncoderError if `tokenizers`, ONNX Runtime or the graph cannot be used.
        BundleError if the tokenizer is not one.
    """

    def __init__(
        self, graph: Path, tokenizer: Path, max_tokens: int, embedding_dim: int | None = None
    ) -> None:
        # First, since a wrong one is found sooner than the graph is open.
        self._tokenizer = TextTokenizer(tokenizer, max_tokens)
        self._graph = Graph(graph, "cpu", input_type="int64")
        self._graph.expect("inputs", {"token_ids": (1, None)})
        self._graph.expect("outputs", {"embedding": (1, embedding_dim)})

    def tokens(self, text: str) -> list[int]:
        """The ids that a text is given to the graph as. Raises: LabelError; see `TextTokenizer.tokens`."""
        return self._tokenizer.tokens(text)

    def n_tokens(self, text: str) -> int:
        """How many tokens a text has before it is cut. Raises: LabelError; see `TextTokenizer.n_tokens`."""
        return self._tokenizer.n_tokens(text)

    def encode(self, text: str) -> Embedding:
        """Embed one text.

        Returns: (embedding_dim,) float32, unit L2 norm.

        Raises:
            LabelError if it is no Unicode text.
            EncoderError if the graph cannot take its tokens, or yields no embedding.
        """
        (output,) = self._graph.run({"token_ids": np.array([self.tokens(text)], np.int64)})
        return checked_embedding(output, self._graph.path, AGAIN)


def _open(path: Path) -> Tokenizer:
    try:
        from tokenizers import Tokenizer  # noqa: PLC0415  an extra; the message says what to install
    except ImportError as error:
        reason = (
            "is not installed" if isinstance(error, ModuleNotFoundError) else f"fails: {first_line(error)}"
        )
        raise EncoderError(
            f"texts need the package tokenizers, which {reason}; "
            'install it with pip install "edge-listen[text]"'
        ) from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises no class of its own
        raise BundleError(
            f"{path} is not a tokenizer that this version of tokenizers can read: {first_line(error)}; "
            f"{_RIGHT_ONE}"
        ) from error
    # The file may bring settings of its own; the graph takes one text, unpadded, cut as the model was taught.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    around = tokenizer.encode("").ids
    if around != [BEGIN, END]:
        raise BundleError(
            f"{path} is not RoBERTa's tokenizer: it makes {around} of an empty text, not [{BEGIN}, {END}]; "
            f"{_RIGHT_ONE}"
        )
    return tokenizer
