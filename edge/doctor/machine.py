"""The machine: Python, processor, temperature and supply, clock."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from edge.clock import is_synchronised
from edge.doctor.check import Check, Subject
from edge.machine import temperatures_celsius

HOT_C = 80.0
"""From here on a Raspberry Pi slows down ("Frequency management" in https://www.raspberrypi.com/documentation)."""
THROTTLED = Path("sys/devices/platform/soc/soc:firmware/get_throttled")
_UNDER_VOLTAGE, _SLOWED = 0x1, 0xE
_SINCE_BOOT = 16
_MODEL = re.compile(r"^(?:model name|Model)\s*:\s*(.+)$", re.MULTILINE)
_FLAGS = re.compile(r"^(?:flags|Features)\s*:\s*(.+)$", re.MULTILINE)


def python(_subject: Subject) -> Iterator[Check]:
    """Version and word length."""
    text = f"{platform.python_version()}, {platform.machine()}, {sys.prefix}"
    if sys.maxsize > 2**32:
        yield Check("python", "ok", text)
    else:
        yield Check("python", "fail", f"{text}, 32-bit", "install a 64-bit system: ONNX Runtime needs one")


def cpu(_subject: Subject, root: Path = Path("/")) -> Iterator[Check]:
    """Model, cores, and what makes the encoder fast."""
    yield judge_cpu(
        (root / "proc/cpuinfo").read_text(errors="replace"), platform.machine(), os.cpu_count() or 1
    )


def judge_cpu(cpuinfo: str, machine: str, n_cores: int) -> Check:
    """cpuinfo: text of /proc/cpuinfo. machine: such as "x86_64"."""
    # The model of the board, which Linux adds at the end on ARM, says more than that of the core.
    models, flags = _MODEL.findall(cpuinfo), _FLAGS.search(cpuinfo)
    known = set(flags[1].split()) if flags else set()
    text = f"{models[-1].strip() if models else machine}, {n_cores} core(s)"
    if machine in ("x86_64", "AMD64", "i686"):
        if "avx2" not in known:
            return Check(
                "cpu", "warn", f"{text}, no AVX2", "expect it to be slow: see the line on the encoder"
            )
        has_vnni = known & {"avx_vnni", "avx512_vnni"}
        return Check("cpu", "ok", f"{text}, AVX2, {'VNNI' if has_vnni else 'no VNNI'}")
    if machine in ("aarch64", "arm64"):
        return Check(
            "cpu", "ok", f"{text}, {'dot product' if 'asimddp' in known else 'no dot product'} instructions"
        )
    return Check("cpu", "ok", text)


def heat(_subject: Subject, root: Path = Path("/")) -> Iterator[Check]:
    """Temperature; and on a Raspberry Pi, whether supply or heat has slowed it down."""
    temperatures_c = temperatures_celsius(root / "sys/class/thermal").values()
    throttled = root / THROTTLED
    bits = int(throttled.read_text(), 16) if throttled.exists() else None
    if temperatures_c or bits is not None:
        yield judge_heat(max(temperatures_c, default=None), bits)


def judge_heat(hottest_c: float | None, throttled: int | None) -> Check:
    """throttled: bits as a Raspberry Pi's firmware gives them (`vcgencmd get_throttled`), or None."""
    text = "temperature unknown" if hottest_c is None else f"{hottest_c:.0f} °C"
    for since, bits in (("now", throttled or 0), ("since it was started", (throttled or 0) >> _SINCE_BOOT)):
        if bits & _UNDER_VOLTAGE:
            remedy = "use a stronger power supply and a shorter cable: USB microphones fail of it"
            return Check("heat", "warn", f"{text}, under-voltage {since}", remedy)
        if bits & _SLOWED:
            return Check("heat", "warn", f"{text}, slowed down {since}", "give it a heat sink or a fan")
    if hottest_c is not None and hottest_c >= HOT_C:
        return Check("heat", "warn", text, "give it a heat sink or a fan")
    return Check("heat", "ok", text if throttled is None else f"{text}, never slowed down")


def clock(_subject: Subject) -> Iterator[Check]:
    """Whether events will carry the right time."""
    yield judge_clock(is_synchronised())


def judge_clock(synchronised: bool | None) -> Check:  # noqa: FBT001 - as `is_synchronised` says it
    """synchronised: None where the system doesn't tell."""
    if synchronised is None:
        return Check("clock", "ok", "the system doesn't tell whether it is synchronised")
    if synchronised:
        return Check("clock", "ok", "synchronised")
    return Check(
        "clock",
        "warn",
        "not synchronised: events may carry a wrong time, and say so",
        "sudo timedatectl set-ntp true",
    )
