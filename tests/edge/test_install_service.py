"""`install-service` and `uninstall-service`, on a system image in a temporary directory."""

from __future__ import annotations

import io
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace

import pytest

from edge.cli import main
from edge.commands import install_service
from edge.errors import ConfigError
from edge.service import asking, program, releases
from edge.service.layout import Layout
from edge.service.program import Program, running_program
from edge.service.unit_files import systemd_version

REPOSITORY = Path(__file__).resolve().parents[2]
UNIT = "edge-listen.service"
# A program of three answers, told apart by its version.
FAKE_PROGRAM = """\
import sys
import zipfile
if sys.argv[1:] == ["labels"]:
    print("dog bark")
print("version {version}")
sys.exit({exit_code})
"""
SYSTEM_DIRECTORIES = (
    "etc/systemd/system/multi-user.target.wants",
    "opt",
    "var/lib",
    "usr/lib/systemd",
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may make users, in an image too")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image with a user database, and the Python that runs this."""
    root = tmp_path / "image"
    for directory in SYSTEM_DIRECTORIES:
        (root / directory).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n", encoding="utf-8")
    (root / "etc/group").write_text("root:x:0:\naudio:x:29:\n", encoding="utf-8")
    for table in ("shadow", "gshadow"):
        (root / "etc" / table).write_text("root:*:19000::::::\n" if table == "shadow" else "root:*::\n")
    python = root / str(Path(sys.executable).resolve()).lstrip("/")
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    return root


@pytest.fixture(autouse=True)
def passing_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each release is a second younger than the one before, without waiting for it."""
    times = (datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=n) for n in range(100))
    monkeypatch.setattr(releases, "datetime", SimpleNamespace(now=lambda _zone: next(times)))


Prepare = Callable[..., None]


@pytest.fixture
def installed_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prepare:
    """Makes `install-service` take itself for a small program of the version named."""

    def prepare(version: str, exit_code: int = 0) -> None:
        prefix = tmp_path / f"environment-{version}"
        packages = prefix / Path(f"lib/python3.{sys.version_info[1]}/site-packages")
        installed = packages / "edge" / "installed"
        installed.mkdir(parents=True)
        (packages / "edge/__init__.py").touch()
        text = FAKE_PROGRAM.format(version=version, exit_code=exit_code)
        (packages / "edge/__main__.py").write_text(text, encoding="utf-8")
        for library in ("soxr", "soundfile"):
            (packages / f"{library}.py").touch()
        (packages / "edge/__pycache__").mkdir()
        (packages / "edge/__pycache__/stale.pyc").touch()
        shutil.copytree(REPOSITORY / "systemd", installed / "systemd")
        with (installed / "systemd" / UNIT).open("a", encoding="utf-8") as unit:
            unit.write(f"# of version {version}\n")
        fake = Program(version, prefix, Path(sys.executable).resolve(), (packages,))
        monkeypatch.setattr(install_service, "running_program", lambda: fake)

    prepare("1.0")
    return prepare


def install(root: Path, *arguments: str) -> int:
    return main(["install-service", "--root", str(root), "--yes", *arguments])


def uninstall(root: Path, *arguments: str) -> int:
    return main(["uninstall-service", "--root", str(root), "--yes", *arguments])


def snapshot(root: Path) -> dict[str, str]:
    """Every path with its mode and content, but the lock and the copies that the system's own tools leave."""
    tree = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if name == "etc/.pwd.lock" or (path.parent == root / "etc" and name.endswith("-")):
            continue
        content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        link = path.readlink() if path.is_symlink() else ""
        tree[name] = f"{stat.filemode(path.lstat().st_mode)} {link} {content!r}"
    return tree


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def answer(root: Path, *arguments: str) -> str:
    program = root / "opt/edge-listen/current/bin/edge-listen"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


def version_installed(root: Path) -> str:
    return answer(root, "--version").split()[-1]


def the_error(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edge-listen: error: ")
    return line


@needs_root
@pytest.mark.usefixtures("installed_from")
class TestInstalling:
    def test_the_program_runs_from_the_image_and_starts_with_it(self, root: Path) -> None:
        assert install(root) == 0
        assert "dog bark" in answer(root, "labels")
        link = root / "etc/systemd/system/multi-user.target.wants" / UNIT
        assert str(link.readlink()) == f"/etc/systemd/system/{UNIT}"
        assert "of version 1.0" in (root / "etc/systemd/system" / UNIT).read_text(encoding="utf-8")

    def test_the_current_version_is_named_relative_to_the_link(self, root: Path) -> None:
        install(root)
        assert str((root / "opt/edge-listen/current").readlink()) == "releases/1.0-20260101T000000Z"

    def test_the_release_is_compiled_and_holds_nothing_stale(self, root: Path) -> None:
        install(root)
        compiled = [path.name for path in (root / "opt").rglob("*.pyc")]
        assert any(name.startswith("__main__") for name in compiled)
        assert "stale.pyc" not in compiled

    def test_the_user_is_in_the_image_with_the_state_directory_as_its_home(self, root: Path) -> None:
        install(root)
        (line,) = [line for line in (root / "etc/passwd").read_text().splitlines() if "edge-listen" in line]
        assert line.split(":")[5:] == ["/var/lib/edge-listen", "/usr/sbin/nologin"]

    def test_where_there_is_no_systemd_sysusers_useradd_makes_the_same_user(
        self, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("edge.service.account.shutil.which", lambda _name: None)
        assert install(root) == 0
        (line,) = [line for line in (root / "etc/passwd").read_text().splitlines() if "edge-listen" in line]
        assert line.split(":")[5:] == ["/var/lib/edge-listen", "/usr/sbin/nologin"]

    def test_the_service_may_read_its_configuration_and_nobody_else(self, root: Path) -> None:
        install(root)
        configuration = root / "etc/edge-listen/config.toml"
        (group,) = [line for line in (root / "etc/group").read_text().splitlines() if "edge-listen" in line]
        assert (configuration.stat().st_uid, configuration.stat().st_gid) == (0, int(group.split(":")[2]))
        assert (mode(configuration), mode(configuration.parent)) == (0o640, 0o750)

    def test_a_release_is_readable_by_all_whatever_roots_umask(self, root: Path) -> None:
        before = os.umask(0o077)
        try:
            install(root)
        finally:
            os.umask(before)
        for path in [root / "opt/edge-listen", *(root / "opt/edge-listen").rglob("*")]:
            if not path.is_symlink():
                assert mode(path) & 0o055 in ((0o055,) if path.is_dir() else (0o044, 0o055)), path
        assert mode(root / "etc/systemd/system" / UNIT) == 0o644

    def test_a_copy_that_does_not_run_leaves_nothing_behind(
        self, root: Path, installed_from: Prepare, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = snapshot(root)
        installed_from("1.1", exit_code=3)
        assert install(root) == 1
        error = the_error(capsys)
        assert "`edge-listen --version` fails in the copy: exit code 3" in error
        assert error.endswith("nothing was changed")
        assert snapshot(root) == before

    def test_a_failure_later_on_says_what_was_done_and_leaves_no_release(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (root / "etc/systemd/system" / UNIT).mkdir()
        assert install(root) == 1
        error = the_error(capsys)
        assert "could not write /etc/systemd/system/edge-listen.service" in error
        assert error.endswith("steps 2, 3 of the plan stay done")  # the user and the configuration
        assert not (root / "opt/edge-listen").exists()

    def test_an_interrupted_copy_is_removed(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        before = snapshot(root)
        monkeypatch.setattr(install_service, "try_copy", interrupt)
        assert install(root) == 130
        assert snapshot(root) == before


@needs_root
class TestUpgrading:
    def test_the_version_before_is_kept_and_older_ones_removed(
        self, root: Path, installed_from: Prepare
    ) -> None:
        for version in ("1.1", "1.2", "1.3"):
            installed_from(version)
            assert install(root) == 0
        assert version_installed(root) == "1.3"
        kept = [path.name.partition("-")[0] for path in (root / "opt/edge-listen/releases").iterdir()]
        assert sorted(kept) == ["1.2", "1.3"]

    def test_configuration_and_state_stay_as_they_are(self, root: Path, installed_from: Prepare) -> None:
        install(root)
        state = root / "var/lib/edge-listen/clips"
        state.mkdir(parents=True)
        (root / "etc/edge-listen/config.toml").write_text('[listen]\nlabels = ["siren"]\n', encoding="utf-8")
        before = {name: text for name, text in snapshot(root).items() if "var/" in name or "toml" in name}
        installed_from("1.1")
        install(root)
        after = snapshot(root)
        assert {name: after[name] for name in before} == before

    def test_an_upgrade_that_does_not_run_leaves_the_old_version_in_place(
        self, root: Path, installed_from: Prepare
    ) -> None:
        install(root)
        before = snapshot(root)
        installed_from("1.1", exit_code=3)
        assert install(root) == 1
        assert snapshot(root) == before
        assert version_installed(root) == "1.0"

    def test_rolling_back_goes_to_the_version_before_with_its_unit_and_forth_again(
        self, root: Path, installed_from: Prepare
    ) -> None:
        install(root)
        installed_from("1.1")
        install(root)
        for version in ("1.0", "1.1"):
            assert install(root, "--rollback") == 0
            assert version_installed(root) == version
            assert f"of version {version}" in (root / "etc/systemd/system" / UNIT).read_text(encoding="utf-8")

    @pytest.mark.usefixtures("installed_from")
    def test_there_is_no_way_back_from_the_first_version(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install(root)
        capsys.readouterr()
        assert install(root, "--rollback") == 2
        assert "no version beside 1.0" in the_error(capsys)

    def test_a_half_made_release_is_nothing_to_go_back_to(
        self, root: Path, installed_from: Prepare, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install(root)
        (root / "opt/edge-listen/releases/1.1-20260102T000000Z/lib").mkdir(parents=True)
        capsys.readouterr()
        assert install(root, "--rollback") == 2
        installed_from("1.2")
        install(root)
        assert not (root / "opt/edge-listen/releases/1.1-20260102T000000Z").exists()


@needs_root
@pytest.mark.usefixtures("installed_from")
class TestConfiguration:
    def test_without_one_it_is_the_example(self, root: Path) -> None:
        install(root)
        example = (REPOSITORY / "configs/edge-listen.toml").read_bytes()
        assert (root / "etc/edge-listen/config.toml").read_bytes() == example

    def test_ones_own_is_taken_and_may_be_given_again(self, root: Path, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        own.write_text('[listen]\nlabels = ["siren"]\n', encoding="utf-8")
        assert install(root, "--config", str(own)) == 0
        assert install(root, "--config", str(own)) == 0
        assert (root / "etc/edge-listen/config.toml").read_bytes() == own.read_bytes()

    def test_another_one_than_is_there_is_refused_before_anything_is_done(
        self, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install(root)
        before = snapshot(root)
        own = tmp_path / "own.toml"
        own.write_text('[listen]\nlabels = ["siren"]\n', encoding="utf-8")
        capsys.readouterr()
        assert install(root, "--config", str(own)) == 2
        assert "edit /etc/edge-listen/config.toml" in the_error(capsys)
        assert snapshot(root) == before

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("[listen]\nlabel = 1\n", "unknown key"),
            ('[listen]\nbundle = "/home/me/b"\n', "can't get at"),
            ('[listen]\nbundle = "my-bundle"\n', "can't get at"),
        ],
    )
    def test_one_that_could_not_work_is_refused_before_anything_is_done(
        self, root: Path, tmp_path: Path, text: str, complaint: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = snapshot(root)
        own = tmp_path / "own.toml"
        own.write_text(text, encoding="utf-8")
        assert install(root, "--config", str(own)) == 2
        assert complaint in the_error(capsys)
        assert snapshot(root) == before


@needs_root
@pytest.mark.usefixtures("installed_from")
class TestDropIns:
    def placed(self, root: Path) -> list[str]:
        return sorted(path.name for path in (root / f"etc/systemd/system/{UNIT}.d").glob("*"))

    def test_network_and_gpu_are_reached_only_when_asked_for(self, root: Path) -> None:
        install(root)
        assert self.placed(root) == []
        install(root, "--network")
        assert self.placed(root) == ["network.conf"]
        install(root, "--gpu")
        assert self.placed(root) == ["gpu.conf", "network.conf"]

    def test_an_upgrade_renews_those_that_are_there(self, root: Path) -> None:
        install(root, "--network")
        (root / f"etc/systemd/system/{UNIT}.d/network.conf").write_text("", encoding="utf-8")
        install(root)
        template = (REPOSITORY / f"systemd/{UNIT}.d/network.conf").read_text(encoding="utf-8")
        assert (root / f"etc/systemd/system/{UNIT}.d/network.conf").read_text(encoding="utf-8") == template

    @pytest.mark.parametrize(("version", "names"), [(252, []), (254, ["restart.conf"])])
    def test_the_delay_between_restarts_rises_where_systemd_can(
        self, root: Path, version: int, names: list[str]
    ) -> None:
        (root / f"usr/lib/systemd/libsystemd-shared-{version}.so").touch()
        install(root)
        assert self.placed(root) == names


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-252.so", 252),
        ("usr/lib/systemd/libsystemd-shared-255.4-1.fc40.so", 255),
        ("usr/lib64/systemd/libsystemd-shared-257.so", 257),
        ("usr/lib/systemd/systemd", None),
    ],
)
def test_an_images_systemd_tells_its_version_by_its_library(
    tmp_path: Path, path: str, version: int | None
) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).touch()
    assert systemd_version(Layout(tmp_path)) == version


@needs_root
@pytest.mark.usefixtures("installed_from")
class TestUninstalling:
    def test_nothing_that_was_made_is_left(self, root: Path) -> None:
        before = snapshot(root)
        install(root, "--network", "--gpu")
        install(root)
        (root / "var/lib/edge-listen/clips").mkdir(parents=True)
        assert snapshot(root) != before
        assert uninstall(root) == 0
        assert snapshot(root) == before

    def test_data_may_be_kept_with_the_user_that_owns_them_and_go_later(self, root: Path) -> None:
        before = snapshot(root)
        install(root, "--network")
        (root / "var/lib/edge-listen").mkdir()
        own = root / f"etc/systemd/system/{UNIT}.d/override.conf"
        own.write_text("[Service]\nNice=1\n", encoding="utf-8")
        assert uninstall(root, "--keep-data") == 0
        left = set(snapshot(root)) - set(before)
        assert left == {
            "etc/edge-listen",
            "etc/edge-listen/config.toml",
            f"etc/systemd/system/{UNIT}.d",
            f"etc/systemd/system/{UNIT}.d/override.conf",
            "etc/sysusers.d",
            "etc/sysusers.d/edge-listen.conf",
            "var/lib/edge-listen",
        }
        assert "edge-listen" in (root / "etc/passwd").read_text(encoding="utf-8")
        assert uninstall(root) == 0
        assert snapshot(root) == before

    def test_where_nothing_is_installed_there_is_nothing_to_do(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = snapshot(root)
        assert uninstall(root) == 0
        assert capsys.readouterr().out == "edge-listen is not installed as a service here: nothing to do\n"
        assert snapshot(root) == before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("installed_from")
class TestAsking:
    def test_a_dry_run_shows_the_plan_in_order_and_does_nothing(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = snapshot(root)
        assert main(["install-service", "--root", str(root), "--dry-run", "--network"]) == 0
        shown = capsys.readouterr().out
        places = [
            shown.index(what)
            for what in ("copy edge-listen 1.0", "user", "config.toml", "network.conf", "current")
        ]
        assert places == sorted(places)
        assert snapshot(root) == before

    def test_outputs_that_the_shut_network_would_silence_are_named(
        self, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        config = tmp_path / "mine.toml"
        config.write_text('[mqtt]\nhost = "pi"\n[webhook]\nurl = "http://pi/"\n', encoding="utf-8")
        flags = ["install-service", "--root", str(root), "--dry-run", "--config", str(config)]
        assert main(flags) == 0
        assert "[mqtt] and [webhook] need the network" in capsys.readouterr().err
        assert main([*flags, "--network"]) == 0
        assert "need the network" not in capsys.readouterr().err

    def test_a_broken_configuration_is_no_hindrance_to_an_upgrade(self, root: Path) -> None:
        install(root)
        (root / "etc/edge-listen/config.toml").write_text("broken", encoding="utf-8")
        assert main(["install-service", "--root", str(root), "--dry-run"]) == 0

    def test_any_answer_but_yes_is_no(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before = snapshot(root)
        monkeypatch.setattr("sys.stdin", Terminal("\n"))
        assert main(["install-service", "--root", str(root)]) == 0
        assert snapshot(root) == before

    @needs_root
    def test_yes_is_yes(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", Terminal("y\n"))
        assert main(["install-service", "--root", str(root)]) == 0
        assert version_installed(root) == "1.0"

    def test_without_a_terminal_it_wants_to_be_told_yes(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        assert main(["install-service", "--root", str(root)]) == 2
        assert "--yes" in the_error(capsys)

    @pytest.mark.parametrize("command", ["install-service", "uninstall-service"])
    def test_this_machine_is_changed_by_root_only(
        self, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(asking.os, "geteuid", lambda: 1000)
        assert main([command, "--yes"]) == 2
        assert "only root" in the_error(capsys)

    def test_an_image_without_this_python_is_refused(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["install-service", "--root", str(tmp_path), "--dry-run"]) == 2
        assert "has no" in the_error(capsys)


class TestWhatRuns:
    def test_the_systems_own_python_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.prefix", sys.base_prefix)
        with pytest.raises(ConfigError, match="README"):
            running_program()

    def test_a_python_in_someones_home_is_refused(self) -> None:
        hidden = Program("1.0", Path("/opt/x"), Path("/home/me/.pyenv/bin/python3"), ())
        with pytest.raises(ConfigError, match="/usr/bin/python3 -m venv"):
            program.check_reach(hidden)

    def test_packages_in_someones_home_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other.pth").write_text("/home/me/src\n", encoding="utf-8")
        monkeypatch.setattr("sys.base_prefix", "/usr")
        with pytest.raises(ConfigError, match=r"other\.pth takes packages from /home/me/src"):
            program.check_reach(Program("1.0", tmp_path, Path("/usr/bin/python3"), (tmp_path,)))


SYSTEM_PYTHON = Path("/usr/bin/python3")
RUNTIME = ("numpy", "soxr", "soundfile", "sounddevice", "onnxruntime")


def top_level(names: tuple[str, ...]) -> set[Path]:
    """What the packages named, and those that they need, have in the directory of packages."""
    found: set[Path] = set()
    waiting, seen = list(names), set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            installed = distribution(name)
        except PackageNotFoundError:  # for another Python or system
            continue
        tops = {path.parts[0] for path in installed.files or () if path.parts[0] not in ("..", "__pycache__")}
        found |= {Path(str(installed.locate_file(top))) for top in tops}
        waiting += [re.split(r"[^\w.-]", line)[0] for line in installed.requires or () if "extra" not in line]
    return found


@pytest.fixture(scope="module", params=["wheel", "editable"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of the system's Python as the README's commands make it, without a download."""
    backend = pytest.importorskip("hatchling.build", reason="needs hatchling: pip install hatchling")
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    ask = [SYSTEM_PYTHON, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    if not SYSTEM_PYTHON.exists() or subprocess.check_output(ask, text=True).strip() != version:
        pytest.skip(f"{SYSTEM_PYTHON} is not Python {version}, for which the packages here are")
    place = tmp_path_factory.mktemp(request.param)
    subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", place / "venv"], check=True)
    packages = place / f"venv/lib/python{version}/site-packages"
    for path in top_level(RUNTIME):
        (packages / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(REPOSITORY)
        wheel = backend.build_wheel(str(place))
    with zipfile.ZipFile(place / wheel) as archive:
        archive.extractall(packages)
    if request.param == "editable":
        make_editable(packages)
    return place / "venv"


def make_editable(packages: Path) -> None:
    """Make of an installed wheel what `pip install -e` makes: a link, and old copies of some files."""
    shutil.rmtree(packages / "export")
    for path in (packages / "edge").iterdir():
        if path.name != "installed":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (packages / "edge/installed/systemd" / UNIT).write_text("# an old copy", encoding="utf-8")
    (packages / "_editable_impl_edge_listen.pth").write_text(f"{REPOSITORY}\n", encoding="utf-8")
    (record,) = packages.glob("edge_listen-*.dist-info/RECORD")
    of_installed = [line for line in record.read_text(encoding="utf-8").splitlines() if "installed/" in line]
    record.write_text("\n".join([*of_installed, "_editable_impl_edge_listen.pth,,"]), encoding="utf-8")


@needs_root
def test_the_real_program_is_copied_with_all_it_needs(environment: Path, root: Path, tmp_path: Path) -> None:
    python = root / str(SYSTEM_PYTHON.resolve()).lstrip("/")
    python.parent.mkdir(parents=True, exist_ok=True)
    python.touch()
    command = [environment / "bin/python", "-m", "edge", "install-service", "--root", root, "--yes"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    assert "dog bark" in answer(root, "labels")
    release = root / "opt/edge-listen/current"
    where = [release / "bin/python", "-I", "-c", "import edge, numpy; print(edge.__file__, numpy.__file__)"]
    for file in subprocess.check_output(where, text=True).split():
        assert Path(file).resolve().is_relative_to(release.resolve())
    assert not [path for path in (root / "opt").rglob("*.pth") if "edge" in path.name]
    unit = (REPOSITORY / "systemd" / UNIT).read_bytes()
    assert (root / "etc/systemd/system" / UNIT).read_bytes() == unit
    # From there it can be installed again, such as with another drop-in.
    again = [release / "bin/edge-listen", "install-service", "--root", root, "--yes", "--network"]
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dog bark" in answer(root, "labels")
