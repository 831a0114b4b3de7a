"""A person's words → labels of the bundle: case, `_`, `-`, plurals, aliases; and what they may have meant."""

from __future__ import annotations

import difflib
import json
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from edge.errors import BundleError, LabelError
from edge.manifest import LabelEntry

SEE_ALL = "see all with: edge-listen labels"
_SLIP = 0.8
"""How alike, by difflib's measure, words are that differ by a slip of the finger."""


def fold(words: str) -> str:
    """The form in which words are compared: lower case, `_`, `-` and runs of space as one space."""
    plain = unicodedata.normalize("NFKC", words).casefold()
    return " ".join(plain.replace("_", " ").replace("-", " ").split())


def check_distinct(labels: Sequence[LabelEntry]) -> None:
    """Refuse labels of which two answer to the same words.

    Raises: BundleError.
    """
    owners: dict[str, int] = {}
    for index, label in enumerate(labels):
        for words in _all_words(label):
            folded = fold(words)
            if not folded:
                raise BundleError(f'label "{label.name}" answers to "{words}", which has no letters')
            first = labels[owners.setdefault(folded, index)]
            if first is not label:
                raise BundleError(f'labels "{first.name}" and "{label.name}" both answer to "{words}"')


def resolve_labels(words: Sequence[str], labels: Sequence[LabelEntry], advice: str = "") -> list[str]:
    """Canonical names of the labels asked for, in their order, without repetition.

    Args:
        words: names, aliases or data-set names, in any case, with `_` or `-` for spaces, singular or plural.
        labels: the bundle's.
        advice: how to come by a label that isn't there, for the message.

    Raises: LabelError if there are no words, or some name no label to listen for.
    """
    if not words:
        raise LabelError(f"no label given; name one at least; {SEE_ALL}")
    return list(dict.fromkeys(_resolve(asked, labels, advice) for asked in words))


def find_label(asked: str, labels: Sequence[LabelEntry]) -> LabelEntry | None:
    """The label that the words name, else the background that they name, else None.

    Raises: LabelError if the words are none, or may mean several labels.
    """
    wanted = fold(asked)
    if not wanted:
        raise LabelError(f"empty label name {quoted(asked)}; {SEE_ALL}")
    found = [label for label in labels if any(fold(known) == wanted for known in _all_words(label))]
    if not found:
        found = [
            label for label in labels if any(_is_plural_pair(fold(k), wanted) for k in _all_words(label))
        ]
    listenable = [label for label in found if label.kind == "label"]
    if len(listenable) > 1:
        names = " or ".join(label.name for label in listenable)
        raise LabelError(f"{quoted(asked)} may mean {names}; say which; {SEE_ALL}")
    return next(iter((*listenable, *found)), None)


def is_name(words: str, label: LabelEntry) -> bool:
    """Whether the words are a label's name, and not only an alias of it."""
    return _is_plural_pair(fold(label.name), fold(words))


def is_kin(label: str, words: Iterable[str]) -> bool:
    """Whether a label means the sound that the words stand for, or a kind of it: "violin music" of "music".

    It does if it holds one of them, in singular or plural; of several words in one text, all of these.
    """
    held = fold(label).split()
    return any(
        all(any(_is_plural_pair(part, own) for own in held) for part in fold(known).split())
        for known in words
    )


def likely_meant(asked: str, labels: Sequence[LabelEntry]) -> str | None:
    """The label whose words differ from these by a letter or two, as a slip of the finger makes them."""
    owners = _owners(labels)
    alike = difflib.get_close_matches(fold(asked), owners, n=1, cutoff=_SLIP)
    return owners[alike[0]] if alike else None


def quoted(words: str) -> str:
    """A person's words as they stand in messages, always of one line."""
    return json.dumps(words, ensure_ascii=False)


def parse_label_list(arguments: Sequence[str], labels: Sequence[LabelEntry] = ()) -> list[str]:
    """Split the values of a repeatable, comma-separated option into words for `resolve_labels`.

    Args:
        arguments: one for each time that the option was given.
        labels: the bundle's; an argument that is as a whole one of their names is not split at its commas.

    Raises: LabelError if an argument has nothing before, between or behind its commas.
    """
    parsed: list[str] = []
    for argument in arguments:
        whole = any(fold(argument) == fold(known) for label in labels for known in _all_words(label))
        parts = [argument] if whole else argument.split(",")
        if not all(fold(part) for part in parts):
            raise LabelError(
                f"empty label name in {quoted(argument)}; separate names by single commas; {SEE_ALL}"
            )
        parsed.extend(part.strip() for part in parts)
    return parsed


def _resolve(asked: str, labels: Sequence[LabelEntry], advice: str) -> str:
    found = find_label(asked, labels)
    if found is None:
        nearest = _nearest(fold(asked), labels)
        hint = f"; nearest: {', '.join(nearest)}" if nearest else ""
        advice = f"; {advice}" if advice else ""
        raise LabelError(f"no label {quoted(asked)}{hint}; {SEE_ALL}{advice}")
    if found.kind == "background":
        raise LabelError(
            f"{quoted(asked)} is a background sound of this bundle, which cannot be listened for; {SEE_ALL}"
        )
    return found.name


def _all_words(label: LabelEntry) -> Iterator[str]:
    yield label.name
    yield from label.aliases
    yield from label.dataset_names


def _is_plural_pair(one: str, other: str) -> bool:
    ones, others = one.split(), other.split()
    if len(ones) != len(others):
        return False
    return all(a == b or a in _plurals(b) or b in _plurals(a) for a, b in zip(ones, others, strict=True))


def _plurals(word: str) -> tuple[str, ...]:
    regular = (f"{word}s", f"{word}es")
    return (*regular, f"{word[:-1]}ies") if word.endswith("y") else regular


def _nearest(wanted: str, labels: Sequence[LabelEntry]) -> list[str]:
    """Up to three names of labels, the most alike first."""
    owners = _owners(labels)
    alike = difflib.get_close_matches(wanted, owners, n=12, cutoff=0.6)
    # A word that is missing altogether ("dog" for "dog bark") is far by letters and near by meaning.
    sharing = [words for words in owners if set(wanted.split()) & set(words.split())]
    return list(dict.fromkeys(owners[words] for words in (*alike, *sharing)))[:3]


def _owners(labels: Sequence[LabelEntry]) -> dict[str, str]:
    """Folded words → name of the label that answers to them, backgrounds left out."""
    return {
        fold(words): label.name for label in labels if label.kind == "label" for words in _all_words(label)
    }
