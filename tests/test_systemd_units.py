"""What systemd itself says of the unit and its drop-ins: no complaint, and little exposure."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
UNIT = "edge-listen.service"
UNITS = Path("etc/systemd/system")
PROGRAM = Path("opt/edge-listen/current/bin/edge-listen")
# The exposure allowed, in tenths, as `systemd-analyze security --threshold` takes it.
WITH_NOTHING, WITH_DROP_INS = 15, 25

if shutil.which("systemd-analyze") is None:
    pytest.skip("systemd is not installed (apt install systemd)", allow_module_level=True)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


VERSION = int(re.findall(r"^systemd (\d+)", analyze("--version").stdout)[0])
if VERSION < 250:
    pytest.skip("systemd is older than 250: it can't judge units offline", allow_module_level=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A system with nothing but the unit and the programs that it names."""
    for program in (PROGRAM, Path("bin/kill")):
        path = tmp_path / program
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n", encoding="utf-8")
        path.chmod(0o755)
    (tmp_path / UNITS / f"{UNIT}.d").mkdir(parents=True)
    shutil.copy(REPOSITORY / "systemd" / UNIT, tmp_path / UNITS)
    return tmp_path


def add(root: Path, *drop_ins: str) -> None:
    for name in drop_ins:
        shutil.copy(REPOSITORY / "systemd" / f"{UNIT}.d" / f"{name}.conf", root / UNITS / f"{UNIT}.d")


def verified(root: Path) -> subprocess.CompletedProcess[str]:
    # "no": of this unit's own errors only; the units that it comes after are not in this system.
    return analyze("verify", f"--root={root}", "--recursive-errors=no", UNIT)


COMBINATIONS = [(), ("network",), ("gpu",), ("network", "gpu")]
if VERSION >= 254:  # older ones don't know what restart.conf says
    COMBINATIONS += [("restart",), ("network", "gpu", "restart")]


@pytest.mark.parametrize("drop_ins", COMBINATIONS, ids="+".join)
def test_systemd_has_nothing_to_say_against_the_unit(root: Path, drop_ins: tuple[str, ...]) -> None:
    add(root, *drop_ins)
    done = verified(root)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("drop_ins", COMBINATIONS, ids="+".join)
def test_the_service_is_exposed_little(root: Path, drop_ins: tuple[str, ...]) -> None:
    add(root, *drop_ins)
    threshold = WITH_DROP_INS if {"network", "gpu"} & set(drop_ins) else WITH_NOTHING
    done = analyze("security", "--offline=true", f"--root={root}", f"--threshold={threshold}", UNIT)
    assert done.returncode == 0, done.stdout.splitlines()[-1:]


def test_what_the_verification_rests_on_would_find_an_unknown_key_and_a_missing_program(root: Path) -> None:
    (root / UNITS / f"{UNIT}.d" / "wrong.conf").write_text("[Service]\nProtectHouse=yes\n", encoding="utf-8")
    assert "ProtectHouse" in verified(root).stderr
    (root / UNITS / f"{UNIT}.d" / "wrong.conf").unlink()
    (root / PROGRAM).unlink()
    assert "is not executable" in verified(root).stderr


def test_what_the_judgement_rests_on_sees_the_drop_ins(root: Path) -> None:
    def exposure() -> float:
        told = analyze("security", "--offline=true", f"--root={root}", UNIT).stdout
        return float(re.findall(r"exposure level for \S+: ([\d.]+)", told)[0])

    alone = exposure()
    add(root, "network")
    assert exposure() > alone


def settings(name: str) -> list[str]:
    lines = (REPOSITORY / "systemd" / name).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize(
    "setting",
    [
        "Type=notify",
        "WatchdogSec=60",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "WantedBy=multi-user.target",  # install-service makes the link that this asks for
        "RuntimeDirectory=edge-listen",
        "StateDirectory=edge-listen",
    ],
)
def test_the_unit_says_what_the_program_relies_on(setting: str) -> None:
    assert setting in settings(UNIT)


def test_no_failure_is_final() -> None:
    assert not [line for line in settings(UNIT) if line.startswith("RestartPreventExitStatus")]


def test_devices_are_named_so_that_a_microphone_plugged_in_later_is_among_them() -> None:
    assert [line for line in settings(UNIT) if line.startswith("Device")] == [
        "DevicePolicy=closed",
        "DeviceAllow=char-116 rw",
    ]
