"""RoBERTa's tokens by the published algorithm, written out, with nothing but the standard library.

Byte-level BPE is GPT-2's (Radford et al., 2019); the special tokens are RoBERTa's. Only the tables are read
from a tokenizer.json.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

SPECIAL = re.compile(r"(<s>|<pad>|</s>|<unk>|<mask>)")
CONTRACTION = re.compile(r"'(?:s|t|re|ve|m|ll|d)")
# Over the kinds of characters: letter, number, other, space, other white space.
WORD = re.compile(r"_?L+|_?N+|_?O+|[_W]+(?![LNO])|[_W]+")


class BruteForceTokenizer:
    """The tables of a tokenizer.json."""

    def __init__(self, path: Path) -> None:
        model: dict[str, Any] = json.loads(path.read_text("utf-8"))["model"]
        self.ids: dict[str, int] = model["vocab"]
        # The file has had both forms.
        self.merges = [
            tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in model["merges"]
        ]
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}

    def tokens(self, text: str, max_tokens: int) -> list[int]:
        ids: list[int] = []
        *parts, last = SPECIAL.split(text)
        for part, special in zip(parts[::2], parts[1::2]):  # noqa: B905 - as many of both
            # <mask> takes the white space before it.
            ids += self._plain(stripped(part) if special == "<mask>" else part)
            ids.append(self.ids[special])
        return [0, *(ids + self._plain(last))[: max_tokens - 2], 2]

    def _plain(self, text: str) -> list[int]:
        return [
            self.ids[symbol]
            for word in words(text)
            for symbol in self._merged([BYTE_SYMBOLS[byte] for byte in word.encode()])
        ]

    def _merged(self, symbols: list[str]) -> list[str]:
        """Merge the pair that was learnt first, everywhere, until none is left that was learnt."""
        while True:
            pairs = set(pairwise(symbols)) & self._ranks.keys()
            if not pairs:
                return symbols
            first, second = min(pairs, key=self._ranks.__getitem__)
            place = 0
            while place < len(symbols) - 1:
                if symbols[place] == first and symbols[place + 1] == second:
                    symbols[place : place + 2] = [first + second]
                place += 1


def words(text: str) -> Iterator[str]:
    kinds = "".join(kind(character) for character in text)
    place = 0
    while place < len(text):
        match = CONTRACTION.match(text, place) or WORD.match(kinds, place)
        assert match
        yield text[place : match.end()]
        place = match.end()


def kind(character: str) -> str:
    if character == " ":
        return "_"
    if is_white(character):
        return "W"
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "O"


def is_white(character: str) -> bool:
    # Python counts four separators that Unicode's property White_Space does not hold.
    return character.isspace() and character not in "\x1c\x1d\x1e\x1f"


def stripped(text: str) -> str:
    while text and is_white(text[-1]):
        text = text[:-1]
    return text


def _byte_symbols() -> list[str]:
    """The character that stands for each byte: its own in Latin-1 if it has a shape, else one from 256 on."""
    shapely = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), 256)]
    shapeless = [byte for byte in range(256) if byte not in shapely]
    return [chr(byte if byte in shapely else 256 + shapeless.index(byte)) for byte in range(256)]


BYTE_SYMBOLS = _byte_symbols()
