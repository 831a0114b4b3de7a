from __future__ import annotations

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from edge.machine import resident_memory_bytes, temperatures_celsius


def zone(thermal: Path, number: int, kind: str, temperature: str) -> None:
    folder = thermal / f"thermal_zone{number}"
    folder.mkdir(parents=True)
    (folder / "type").write_text(kind + "\n")
    (folder / "temp").write_text(temperature)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it")
def test_resident_memory_grows_by_what_is_held() -> None:
    before = resident_memory_bytes()
    held = np.ones(50_000_000, np.uint8)
    after = resident_memory_bytes()
    assert before is not None
    assert after is not None
    assert 45_000_000 < after - before < 80_000_000
    assert held.all()


def test_resident_memory_is_the_second_figure_in_pages(tmp_path: Path) -> None:
    statm = tmp_path / "statm"
    statm.write_text("2000 1000 300 1 0 500 0\n")
    assert resident_memory_bytes(statm) == 1000 * mmap.PAGESIZE


@pytest.mark.parametrize("content", ["", "many few"])
def test_memory_that_is_not_told_is_none(tmp_path: Path, content: str) -> None:
    assert resident_memory_bytes(tmp_path / "absent") is None
    (tmp_path / "statm").write_text(content)
    assert resident_memory_bytes(tmp_path / "statm") is None


def test_temperatures_are_in_degrees_by_the_zones_names(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", "48312\n")
    zone(tmp_path, 1, "gpu-thermal", "-500\n")
    (tmp_path / "cooling_device0").mkdir()
    assert temperatures_celsius(tmp_path) == {"cpu-thermal": 48.312, "gpu-thermal": -0.5}


def test_zones_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for number in (0, 2, 10):
        zone(tmp_path, number, "acpitz", f"{number}000")
    assert temperatures_celsius(tmp_path) == {"acpitz": 0.0, "acpitz-2": 2.0, "acpitz-10": 10.0}


def test_a_zone_that_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    zone(tmp_path, 0, "modem", "")
    zone(tmp_path, 1, "cpu", "40000")
    (tmp_path / "thermal_zone0" / "temp").unlink()
    assert temperatures_celsius(tmp_path) == {"cpu": 40.0}


def test_a_machine_without_zones_has_no_temperature(tmp_path: Path) -> None:
    assert temperatures_celsius(tmp_path / "absent") == {}
