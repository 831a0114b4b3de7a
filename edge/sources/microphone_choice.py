"""Which microphone a person means: by name or sound-card id, never by an index that another boot moves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from edge.errors import AudioSourceError

USE_DEMO = "to hear the program without a microphone: edge-listen demo"
_CARD_LINE = re.compile(r"^\s*(\d+)\s+\[(\S+)\s*\]", re.MULTILINE)
_HARDWARE = re.compile(r"\s*\(hw:(\d+),(\d+)\)$")
_CARD_WANTED = re.compile(r"^(?:(?:plug)?hw:)?(?:card=)?([\w-]+)(?:,(?:dev=)?(\d+))?$")
_INDEX = re.compile(r"^(?:(?:plug)?hw:)?(?:card=)?\d+(?:,(?:dev=)?\d+)?$")


@dataclass(frozen=True)
class Microphone:
    """An input device.

    Attributes:
        name: PortAudio's name for it, less the card number, which another boot may change.
        card_id: ALSA's stable identifier, "hw:CARD=Device,DEV=0"; None for what is no sound card of its own
            ("pulse", "default").
        host_api: "ALSA", "OSS" …
        n_channels: how many it claims; a virtual device claims 32 or more.
        sample_rate_hz: its native rate.
        is_default: whether it is used when none is named.
    """

    name: str
    card_id: str | None
    host_api: str
    n_channels: int
    sample_rate_hz: int
    is_default: bool


def stable_name(portaudio_name: str, alsa_cards: str) -> tuple[str, str | None]:
    """Take the card number out of a device's name, and look up the id of the card.

    portaudio_name: such as "USB Audio: - (hw:1,0)".
    alsa_cards: text of /proc/asound/cards; empty where there is none.
    Returns: name and card_id, as in `Microphone`.
    """
    hardware = _HARDWARE.search(portaudio_name)
    if hardware is None:
        return portaudio_name, None
    name = portaudio_name[: hardware.start()].removesuffix(" -").rstrip(": ")
    identifier = dict(_CARD_LINE.findall(alsa_cards)).get(hardware[1])
    return name, None if identifier is None else f"hw:CARD={identifier},DEV={hardware[2]}"


def choose(microphones: Sequence[Microphone], wanted: str | None) -> int:
    """Find the microphone that a person means.

    A whole name goes before a card id, and that before a part of a name; case does not matter.

    wanted: a name, a part of one, or a card id ("Device", "hw:CARD=Device"); None for the default.
    Returns: its position in `microphones`.
    Raises: AudioSourceError if there is none, or more than one, or an index was given.
    """
    if not microphones:
        raise AudioSourceError(
            f"no microphone was found: plug one in and look at edge-listen devices; {USE_DEMO}"
        )
    if wanted is None:
        return _only([i for i, m in enumerate(microphones) if m.is_default], microphones, "the default")
    word = wanted.strip().lower()
    if not word or _INDEX.match(word):
        raise AudioSourceError(
            f"microphone {wanted!r}: numbers change when devices do, so give a name or card id: "
            f"{_listed(microphones)}"
        )
    named = [i for i, m in enumerate(microphones) if m.name.lower() == word]
    on_card = [] if named else _on_card(microphones, word)
    in_part = [i for i, m in enumerate(microphones) if word in m.name.lower()]
    return _only(named or on_card or in_part, microphones, repr(wanted))


def _on_card(microphones: Sequence[Microphone], word: str) -> list[int]:
    wanted = _CARD_WANTED.match(word)
    if wanted is None:
        return []
    # As ALSA does: without a device number the card's first is meant.
    start = f"hw:card={wanted[1]},dev={wanted[2] or ''}"
    matching = [i for i, m in enumerate(microphones) if m.card_id and m.card_id.lower().startswith(start)]
    return matching[:1]


def _only(found: Sequence[int], microphones: Sequence[Microphone], wanted: str) -> int:
    if len(found) == 1:
        return found[0]
    if not found:
        raise AudioSourceError(f"no microphone is {wanted}: there is {_listed(microphones)}; {USE_DEMO}")
    matches = _listed([microphones[i] for i in found])
    raise AudioSourceError(f"more than one microphone is {wanted}: give more of the name of one, {matches}")


def _listed(microphones: Sequence[Microphone]) -> str:
    return ", ".join(f"{m.name!r}" + (f" ({m.card_id})" if m.card_id else "") for m in microphones)
