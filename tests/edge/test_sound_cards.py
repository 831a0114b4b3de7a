from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sound_card_material import plug_in

from edge.sources.sound_cards import SoundCard, read_sound_cards


def found(root: Path) -> dict[int, SoundCard]:
    return read_sound_cards(root / "asound", root / "sys/class/sound")


def test_a_usb_card_is_known_by_vendor_product_serial_and_port(tmp_path: Path) -> None:
    plug_in(tmp_path, 0, "Headphones")
    plug_in(tmp_path, 2, "Device", usb="0D8C:0014", serial="AB12", port="1.3")
    assert found(tmp_path) == {
        0: SoundCard("Headphones"),
        2: SoundCard("Device", "usb:0d8c:0014:AB12", "usb-0000:01:00.0-1.3"),
    }


def test_twins_without_a_serial_number_differ_by_their_ports(tmp_path: Path) -> None:
    plug_in(tmp_path, 1, "Device", usb="0d8c:0014", port="1.3")
    plug_in(tmp_path, 2, "Device_1", usb="0d8c:0014", port="1.4.2")
    twins = found(tmp_path)
    assert twins[1].usb_id == twins[2].usb_id == "usb:0d8c:0014"
    assert (twins[1].usb_port, twins[2].usb_port) == ("usb-0000:01:00.0-1.3", "usb-0000:01:00.0-1.4.2")


def test_where_sys_is_hidden_vendor_and_product_are_left(tmp_path: Path) -> None:
    plug_in(tmp_path, 1, "Device", usb="0d8c:0014", serial="AB12")
    shutil.rmtree(tmp_path / "sys")
    assert found(tmp_path) == {1: SoundCard("Device", "usb:0d8c:0014", None)}


@pytest.mark.parametrize("usbid", ["", "nonsense\n", "0d8c\n", "0d8c:0014:9\n"])
def test_a_usb_id_that_is_none_is_left_out(tmp_path: Path, usbid: str) -> None:
    plug_in(tmp_path, 1, "Device", usb="0d8c:0014")
    (tmp_path / "asound/card1/usbid").write_text(usbid)
    assert found(tmp_path) == {1: SoundCard("Device")}


def test_a_serial_number_of_control_characters_stays_one_printable_word(tmp_path: Path) -> None:
    plug_in(tmp_path, 1, "Device", usb="0d8c:0014", serial="\x1b[2J\nA")
    usb_id = found(tmp_path)[1].usb_id
    assert usb_id is not None
    assert usb_id.isprintable()


def test_without_alsa_there_is_no_card(tmp_path: Path) -> None:
    assert found(tmp_path) == {}
