"""Which microphone a person means: by name, sound card or USB device, never by an index that a boot moves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge.errors import AudioSourceError, ConfigError
from edge.sources.sound_cards import SoundCard

USE_DEMO = "to hear the program without a microphone: edge-listen demo"
_HARDWARE = re.compile(r"\s*\(hw:(\d+),(\d+)\)$")
_CARD_WANTED = re.compile(r"^(?:(?:plug)?hw:)?(?:card=)?([\w-]+)(?:,(?:dev=)?(\d+))?$")
_INDEX = re.compile(r"^(?:(?:plug)?hw:)?(?:card=)?\d+(?:,(?:dev=)?\d+)?$")
_USB_WANTED = re.compile(r"^usb:[0-9a-f]{4}:[0-9a-f]{4}(:.+)?$")


@dataclass(frozen=True)
class Microphone:
    """An input device.

    Attributes:
        name: PortAudio's name for it, less the card number, which another boot may change.
        card_id: ALSA's identifier, "hw:CARD=Device,DEV=0", stable but for cards that are alike; None for what
            is no sound card of its own ("pulse", "default").
        host_api: "ALSA", "OSS" …
        n_channels: how many it claims; a virtual device claims 32 or more.
        sample_rate_hz: its native rate.
        is_default: whether it is used when none is named.
        usb_id: which USB device it is, see `SoundCard`; None for others.
        usb_port: where that is plugged in, see `SoundCard`.
    """

    name: str
    card_id: str | None
    host_api: str
    n_channels: int
    sample_rate_hz: int
    is_default: bool
    usb_id: str | None = None
    usb_port: str | None = None

    @property
    def identities(self) -> tuple[str, ...]:
        """All that `choose` knows it by, besides its name."""
        return tuple(each for each in (self.card_id, self.usb_id, self.usb_port) if each is not None)


def stable_name(
    portaudio_name: str, cards: Mapping[int, SoundCard]
) -> tuple[str, str | None, SoundCard | None]:
    """Take the card number out of a device's name, and look up the card.

    portaudio_name: such as "USB Audio: - (hw:1,0)".
    Returns: name and card_id, as in `Microphone`, and the card.
    """
    hardware = _HARDWARE.search(portaudio_name)
    if hardware is None:
        return portaudio_name, None, None
    name = portaudio_name[: hardware.start()].removesuffix(" -").rstrip(": ")
    card = cards.get(int(hardware[1]))
    return name, None if card is None else f"hw:CARD={card.card_id},DEV={hardware[2]}", card


def check_wanted(wanted: str) -> None:
    """Refuse what no microphone can ever be, whichever are plugged in. Raises: ConfigError."""
    word = wanted.strip().lower()
    if not word or _INDEX.match(word):
        raise ConfigError(
            f"microphone {wanted!r}: numbers change when devices do, so give a name, card id or USB device "
            "as edge-listen devices shows them"
        )
    if re.match(r"usb:\S", word) and not _USB_WANTED.match(word):
        raise ConfigError(
            f"microphone {wanted!r}: a USB device is written usb:VENDOR:PRODUCT, four hexadecimal digits "
            "each, or usb:VENDOR:PRODUCT:SERIAL, as edge-listen devices shows it"
        )


def choose(microphones: Sequence[Microphone], wanted: str | None) -> int:
    """Find the microphone that a person means.

    A whole name goes before a card or USB device, and these before a part of a name; case does not matter.

    wanted: a name, a part of one, a card id ("Device", "hw:CARD=Device"), a USB device ("usb:0d8c:0014", with
        ":SERIAL" behind it if need be) or port ("usb-0000:01:00.0-1.3"); None for the default.
    Returns: its position in `microphones`.
    Raises: AudioSourceError if there is none, or more than one; ConfigError as `check_wanted`.
    """
    if wanted is not None:
        check_wanted(wanted)
    if not microphones:
        raise AudioSourceError(
            f"no microphone was found: plug one in and look at edge-listen devices; {USE_DEMO}"
        )
    if wanted is None:
        return _only([i for i, m in enumerate(microphones) if m.is_default], microphones, "the default")
    word = wanted.strip().lower()
    named = [i for i, m in enumerate(microphones) if m.name.lower() == word]
    on_card = [] if named else _on_card(microphones, word) or _on_usb(microphones, word)
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


def _on_usb(microphones: Sequence[Microphone], word: str) -> list[int]:
    """The first device of each card that is this USB device, or in this port."""
    first_of_card: dict[str, int] = {}
    # The colon behind it, so that no serial number passes for the beginning of another.
    start = f"{word}:" if _USB_WANTED.match(word) else None
    for i, microphone in enumerate(microphones):
        is_device = start is not None and f"{microphone.usb_id}:".lower().startswith(start)
        if is_device or (microphone.usb_port or "").lower() == word:
            first_of_card.setdefault((microphone.card_id or "").partition(",")[0], i)
    return list(first_of_card.values())


def _only(found: Sequence[int], microphones: Sequence[Microphone], wanted: str) -> int:
    if len(found) == 1:
        return found[0]
    if not found:
        raise AudioSourceError(f"no microphone is {wanted}: there is {_listed(microphones)}; {USE_DEMO}")
    fitting = [microphones[i] for i in found]
    matches = _listed(fitting)
    if len({m.name for m in fitting}) < len(fitting):
        raise AudioSourceError(f"more than one microphone is {wanted}: {matches}; {_way_to_tell(fitting)}")
    raise AudioSourceError(f"more than one microphone is {wanted}: give more of the name of one, {matches}")


def _way_to_tell(twins: Sequence[Microphone]) -> str:
    """How a person can name one of several of the same name."""
    usb_ids = {m.usb_id for m in twins}
    if None not in usb_ids and len(usb_ids) == len(twins):
        return "name one by its USB device with its serial number"
    if all(m.usb_port for m in twins):
        return "name one by its USB port (usb-...), since card ids of twins may change places at a boot"
    return "name one by its card id (hw:CARD=...)"


def _listed(microphones: Sequence[Microphone]) -> str:
    return ", ".join(
        f"{m.name!r}" + (f" ({', '.join(m.identities)})" if m.identities else "") for m in microphones
    )
