"""A made-up machine's /proc/asound and /sys/class/sound."""

from __future__ import annotations

from pathlib import Path

CONTROLLER = "devices/platform/scb/fd500000.pcie/0000:01:00.0"


def plug_in(
    root: Path,
    number: int,
    card_id: str,
    *,
    usb: str | None = None,
    serial: str | None = None,
    port: str = "1.3",
) -> None:
    """Add a card to the machine whose files are `root`/asound and `root`/sys, as Linux lays them out.

    usb: vendor and product, "0d8c:0014"; None for a card on the board.
    port: sockets on the way from the USB controller.
    """
    asound, sys_sound = root / "asound", root / "sys/class/sound"
    (asound / f"card{number}").mkdir(parents=True)
    with (asound / "cards").open("a") as cards:
        cards.write(f"{number:2} [{card_id:15}]: some-driver - some name\n{'':22}some longer name\n")
    sys_sound.mkdir(parents=True, exist_ok=True)
    if usb is None:
        return
    (asound / f"card{number}/usbid").write_text(usb + "\n")
    usb_device = root / "sys" / CONTROLLER / "usb1/1-1" / f"1-{port}"
    card = usb_device / f"1-{port}:1.0/sound/card{number}"
    card.mkdir(parents=True)
    (card / "device").symlink_to("../..")
    (usb_device / "devpath").write_text(port + "\n")
    if serial is not None:
        (usb_device / "serial").write_text(serial + "\n")
    (sys_sound / f"card{number}").symlink_to(card)
