"""The sound cards that ALSA knows, and which USB device each of them is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge.errors import one_line

ALSA = Path("/proc/asound")
SYS_SOUND = Path("/sys/class/sound")
_CARD_LINE = re.compile(r"^\s*(\d+)\s+\[(\S+)\s*\]", re.MULTILINE)
_USB_ID = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4}")
_USB_BUS = re.compile(r"usb\d+")


@dataclass(frozen=True)
class SoundCard:
    """A sound card.

    Attributes:
        card_id: ALSA's identifier, such as "Device"; of two alike the second to be found gets "Device_1".
        usb_id: "usb:VENDOR:PRODUCT:SERIAL" or, without a serial number, "usb:VENDOR:PRODUCT", in lower case
            but for the serial; None if it isn't on USB.
        usb_port: the socket that it is plugged into, as ALSA writes it ("usb-0000:01:00.0-1.3"); None if
            unknown.
    """

    card_id: str
    usb_id: str | None = None
    usb_port: str | None = None


def read_sound_cards(alsa: Path = ALSA, sys_sound: Path = SYS_SOUND) -> dict[int, SoundCard]:
    """The sound cards there are, by number; none where the kernel has no ALSA.

    alsa: /proc/asound, whose `cards` and `cardN/usbid` are read
        (https://docs.kernel.org/sound/designs/procfile.html).
    sys_sound: /sys/class/sound, whose `cardN/device` leads to the USB device with its serial number.
    """
    cards = {}
    for number, card_id in _CARD_LINE.findall(_text(alsa / "cards")):
        usb_id = _text(alsa / f"card{number}" / "usbid").lower()
        if not _USB_ID.fullmatch(usb_id):
            cards[int(number)] = SoundCard(card_id)
            continue
        # `device` is one interface of the USB device, in whose directory it lies.
        usb_device = (sys_sound / f"card{number}" / "device").resolve().parent
        serial = one_line(_text(usb_device / "serial"))
        whole_id = f"usb:{usb_id}:{serial}" if serial else f"usb:{usb_id}"
        cards[int(number)] = SoundCard(card_id, whole_id, _port(usb_device))
    return cards


def present_cards(alsa: Path = ALSA) -> str:
    """A text that changes when a card comes or goes; empty where the kernel has no ALSA."""
    return _text(alsa / "cards")


def _port(usb_device: Path) -> str | None:
    """Controller and sockets on the way, as the kernel's usb_make_path() puts them together."""
    sockets = _text(usb_device / "devpath")
    controllers = [bus.parent.name for bus in usb_device.parents if _USB_BUS.fullmatch(bus.name)]
    return f"usb-{controllers[0]}-{sockets}" if sockets and controllers else None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # it isn't there, or the card is being pulled out just now
        return ""
