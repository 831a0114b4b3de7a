from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from edge.errors import AudioSourceError, ConfigError
from edge.sources.microphone_choice import Microphone, choose, stable_name
from edge.sources.sound_cards import SoundCard


def mic(name: str, card: SoundCard | None = None, dev: int = 0) -> Microphone:
    card_id = None if card is None else f"hw:CARD={card.card_id},DEV={dev}"
    usb = (None, None) if card is None else (card.usb_id, card.usb_port)
    return Microphone(name, card_id, "ALSA", 1, 48000, is_default=False, usb_id=usb[0], usb_port=usb[1])


PLAIN = SoundCard("Device", "usb:0d8c:0014", "usb-0000:01:00.0-1.3")
PLAIN_TWIN = SoundCard("Device_1", "usb:0d8c:0014", "usb-0000:01:00.0-1.4")
MARKED = SoundCard("Mic", "usb:1b3f:2008:Ab:12", "usb-0000:01:00.0-1.1")
MARKED_TWIN = SoundCard("Mic_1", "usb:1b3f:2008:Ab:123", "usb-0000:01:00.0-1.2")
ALL = [
    mic("pulse"),
    mic("USB Audio", PLAIN),
    mic("Array: one", MARKED),
    mic("Array: two", MARKED, dev=1),
    mic("HDA: Mic", SoundCard("PCH")),
]


@pytest.mark.parametrize(
    ("wanted", "place"),
    [
        ("usb:0d8c:0014", 1),
        ("USB:0D8C:0014", 1),
        (" usb:0d8c:0014 ", 1),
        ("usb:1b3f:2008:Ab:12", 2),
        ("usb:1b3f:2008:aB:12", 2),
        ("usb-0000:01:00.0-1.3", 1),
        ("usb-0000:01:00.0-1.1", 2),
    ],
)
def test_a_usb_device_is_found_by_its_id_or_port_and_the_first_input_of_its_card_taken(
    wanted: str, place: int
) -> None:
    assert choose(ALL, wanted) == place


def test_a_serial_number_is_never_taken_for_the_beginning_of_another() -> None:
    twins = [mic("USB Audio", MARKED_TWIN), mic("USB Audio", MARKED)]
    assert choose(twins, "usb:1b3f:2008:Ab:12") == 1
    with pytest.raises(AudioSourceError, match="no microphone is"):
        choose(twins[:1], "usb:1b3f:2008:Ab:12")


def test_a_part_of_a_name_that_begins_like_a_usb_id_is_no_usb_id() -> None:
    assert choose([mic("Webcam", PLAIN), mic("My usb thing")], "usb") == 1


@pytest.mark.parametrize(
    ("twins", "wanted", "way"),
    [
        ([mic("USB Audio", PLAIN), mic("USB Audio", PLAIN_TWIN)], "usb:0d8c:0014", "by its USB port"),
        (
            [mic("USB Audio", MARKED), mic("USB Audio", MARKED_TWIN)],
            "usb:1b3f:2008",
            "with its serial number",
        ),
        ([mic("USB Audio", PLAIN), mic("USB Audio", PLAIN_TWIN)], "USB Audio", "by its USB port"),
        ([mic("HDA", SoundCard("PCH")), mic("HDA", SoundCard("PCH_1"))], "HDA", "by its card id"),
    ],
)
def test_twins_are_refused_for_now_with_what_tells_them_apart(
    twins: Sequence[Microphone], wanted: str, way: str
) -> None:
    with pytest.raises(AudioSourceError, match="more than one") as caught:
        choose(twins, wanted)
    assert way in str(caught.value)
    for twin in twins:
        assert all(identity in str(caught.value) for identity in twin.identities)


@pytest.mark.parametrize("plugged_in", [ALL, []])
@pytest.mark.parametrize(
    "wanted", ["usb:0d8c", "usb:d8c:14", "usb:0d8c:0014:", "usb:0d8g:0014", "usb:audio", "0", "hw:2,0", " "]
)
def test_what_can_never_be_a_microphone_is_a_wrong_setting(
    wanted: str, plugged_in: Sequence[Microphone]
) -> None:
    with pytest.raises(ConfigError, match=re.escape(repr(wanted))):
        choose(plugged_in, wanted)


def test_one_that_is_not_there_now_may_come_back() -> None:
    for wanted in ("usb:ffff:0001", "hw:CARD=Gone", "kitchen", "usb-0000:01:00.0-9"):
        with pytest.raises(AudioSourceError, match="no microphone"):
            choose(ALL, wanted)
        with pytest.raises(AudioSourceError, match="no microphone"):
            choose([], wanted)


def test_a_devices_number_gives_way_to_its_card() -> None:
    cards = {1: PLAIN}
    assert stable_name("USB Audio: - (hw:1,0)", cards) == ("USB Audio", "hw:CARD=Device,DEV=0", PLAIN)
    assert stable_name("USB Audio: - (hw:2,0)", cards) == ("USB Audio", None, None)
    assert stable_name("pulse", cards) == ("pulse", None, None)
