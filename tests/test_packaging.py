"""What a person installs: the wheel's files, what it asks for, and that the source archive makes the same."""

from __future__ import annotations

import email.parser
import re
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest

backend = pytest.importorskip("hatchling.build", reason="needs hatchling: pip install hatchling")

REPOSITORY = Path(__file__).resolve().parent.parent
LARGEST_ARCHIVE_BYTES = 10_000_000


@contextmanager
def working_in(directory: Path) -> Iterator[None]:
    """Where a build backend must be called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory)
        yield


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    directory = tmp_path_factory.mktemp("wheel")
    with working_in(REPOSITORY), zipfile.ZipFile(directory / backend.build_wheel(str(directory))) as archive:
        yield archive


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sdist")
    with working_in(REPOSITORY):
        return directory / backend.build_sdist(str(directory))


def metadata(wheel: zipfile.ZipFile) -> Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return email.parser.Parser().parsestr(wheel.read(name).decode())


def files_under(folder: str) -> set[str]:
    found = [path.relative_to(REPOSITORY) for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.mark.parametrize("package", ["edge", "export"])
def test_the_wheel_holds_every_file_of_the_packages(names: set[str], package: str) -> None:
    assert files_under(package) <= names


def test_the_built_in_bundle_travels_in_the_wheel(names: set[str]) -> None:
    assert "edge/starter/bundle/manifest.json" in names


def test_the_wheel_is_typed(names: set[str]) -> None:
    assert {"edge/py.typed", "export/py.typed"} <= names


@pytest.mark.parametrize("folder", ["configs", "systemd"])
def test_what_an_operator_copies_travels_in_the_wheel_unchanged(wheel: zipfile.ZipFile, folder: str) -> None:
    files = files_under(folder)
    assert files
    for file in files:
        assert wheel.read(f"edge/installed/{file}") == (REPOSITORY / file).read_bytes()


def test_the_wheel_holds_the_licence_and_nothing_that_is_not_for_running(names: set[str]) -> None:
    tops = {PurePosixPath(name).parts[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"edge", "export"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or "/tests/" in name]


def test_every_console_script_is_in_the_wheel(wheel: zipfile.ZipFile, names: set[str]) -> None:
    (name,) = [name for name in names if name.endswith(".dist-info/entry_points.txt")]
    scripts = re.findall(r"^(\S+) = ([\w.]+):main$", wheel.read(name).decode(), re.MULTILINE)
    assert {script for script, _ in scripts} == {"edge-listen", "edge-export", "edge-eval"}
    for _, module in scripts:
        assert re.search(r"^def main\(", wheel.read(module.replace(".", "/") + ".py").decode(), re.MULTILINE)


def test_an_install_brings_neither_an_onnxruntime_nor_anything_that_only_export_needs(
    wheel: zipfile.ZipFile,
) -> None:
    required = metadata(wheel).get_all("Requires-Dist", [])
    always = {re.split(r"[^\w-]", line)[0] for line in required if "extra ==" not in line}
    assert always == {"numpy", "soxr", "soundfile", "sounddevice", "tomli"}
    onnxruntimes = [line for line in required if line.startswith("onnxruntime")]
    # One that a Raspberry Pi 4 cannot run, in each of the two extras.
    assert len(onnxruntimes) == 2
    assert all("!=1.21.0" in line for line in onnxruntimes)


def test_the_source_archive_is_small_and_makes_the_same_wheel(
    names: set[str], sdist: Path, tmp_path: Path
) -> None:
    assert sdist.stat().st_size < LARGEST_ARCHIVE_BYTES
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    with working_in(root), zipfile.ZipFile(root / backend.build_wheel(str(root))) as again:
        assert set(again.namelist()) == names
