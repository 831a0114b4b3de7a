"""Memory and temperature, as Linux tells them in files. Elsewhere there is nothing to tell."""

from __future__ import annotations

import mmap
from contextlib import suppress
from pathlib import Path

_THERMAL = Path("/sys/class/thermal")
_STATM = Path("/proc/self/statm")


def resident_memory_bytes(statm: Path = _STATM) -> int | None:
    """Memory that this process holds in RAM; None where the system doesn't tell.

    Its layout is told in https://man7.org/linux/man-pages/man5/proc_pid_statm.5.html.
    """
    try:
        return int(statm.read_text(encoding="ascii").split()[1]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return None


def temperatures_celsius(thermal: Path = _THERMAL) -> dict[str, float]:
    """Temperature of each zone that can be read now, by the system's name of it; of two alike, with a number.

    See https://docs.kernel.org/driver-api/thermal/sysfs-api.html: thousandths of a degree.
    """
    found: dict[str, float] = {}
    for zone in sorted(thermal.glob("thermal_zone*"), key=lambda path: (len(path.name), path.name)):
        # A zone whose sensor is off, as of a modem or a GPU asleep, answers with an error.
        with suppress(OSError, ValueError):
            celsius = int((zone / "temp").read_text(encoding="ascii")) / 1000.0
            name = (zone / "type").read_text(encoding="utf-8").strip()
            found[name if name not in found else f"{name}-{zone.name.removeprefix('thermal_zone')}"] = celsius
    return found
