from __future__ import annotations

import ctypes.util
import os
import sys
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
from daemon.program import ENVIRONMENT, edge_listen
from daemon.pulseaudio import null_sink
from synthetic_bundle import edit_manifest, replace_arrays, write_synthetic_bundle

from edge.bundle import load_bundle
from edge.cli import main
from edge.commands import doctor
from edge.commands.doctor import configuration
from edge.config import ListenConfig
from edge.device_test import DeviceTest
from edge.doctor import bundles, encoders, machine, microphones, outputs, packages, service, storage
from edge.doctor.check import SERVICE_CONFIG, Check, Subject
from edge.doctor.examine import EXAMINATIONS, examine, examined
from edge.doctor.time_limit import within
from edge.errors import AudioSourceError, BundleError, SoundError
from edge.output_settings import (
    ClipsSettings,
    CommandSettings,
    EventFileSettings,
    MetricsSettings,
    MqttSettings,
    WebhookSettings,
)
from edge.overlay.content import EnrolledSound
from edge.overlay.store import OverlayStore
from edge.sources.microphone_choice import Microphone
from edge.status import OutputStatus, Status
from edge.types import AudioBlock

DEFAULTS = Subject(ListenConfig())


def only(checks: Iterable[Check]) -> Check:
    (check,) = checks
    return check


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_synthetic_bundle(tmp_path / "bundle")
    return tmp_path / "bundle"


def with_bundle(bundle: Path, **settings: object) -> Subject:
    return Subject(replace(ListenConfig(bundle=bundle), **settings))  # type: ignore[arg-type]


# The frame: columns, isolation, time.


def test_a_finding_is_a_line_in_columns() -> None:
    assert Check("cpu", "ok", "fast").line == "ok    cpu         fast"
    assert Check("microphone", "fail", "none", "buy one").line == "fail  microphone  none -> buy one"


def test_every_name_fits_its_column() -> None:
    assert all(len(name) <= 11 for name, _ in EXAMINATIONS)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("edge.doctor.made_up")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def test_an_examination_that_breaks_is_one_failed_line_and_what_it_found_before_is_kept(
    made_up: ModuleType,
) -> None:
    def breaks(_subject: Subject) -> Iterable[Check]:
        yield Check("thing", "ok", "half of it")
        raise ZeroDivisionError("by\nzero")

    vars(made_up)["breaks"] = breaks
    found = examined("thing", "made_up:breaks", DEFAULTS)
    assert [check.verdict for check in found] == ["ok", "fail"]
    assert "ZeroDivisionError: by" in found[1].text
    assert "\n" not in found[1].line


def test_an_error_of_our_own_is_told_in_its_words(made_up: ModuleType) -> None:
    def refuses(_subject: Subject) -> Iterable[Check]:
        raise BundleError("damaged; copy it again")

    vars(made_up)["refuses"] = refuses
    assert examined("thing", "made_up:refuses", DEFAULTS) == [
        Check("thing", "fail", "damaged; copy it again")
    ]


def test_a_group_that_cannot_be_imported_is_a_failed_line() -> None:
    assert only(examined("thing", "absent:thing", DEFAULTS)).verdict == "fail"


def test_one_that_hangs_is_left_behind(made_up: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    vars(made_up)["hangs"] = lambda _subject: [never.wait()]
    monkeypatch.setattr("edge.doctor.examine.LONGEST_S", 0.05)
    assert "no answer within 0.05 s" in only(examined("thing", "made_up:hangs", DEFAULTS)).text
    never.set()


def test_within_gives_back_what_the_work_gives_or_raises() -> None:
    assert within(5.0, lambda: 7) == 7
    with pytest.raises(KeyError):
        within(5.0, lambda: {}["absent"])


def test_nothing_at_all_escapes_when_everything_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_module: str) -> ModuleType:
        raise ImportError("nothing can be imported")

    monkeypatch.setattr("importlib.import_module", broken)
    found = list(examine(DEFAULTS))
    assert [check.name for check in found] == [name for name, _ in EXAMINATIONS]
    assert {check.verdict for check in found} == {"fail"}


# The command.


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No service, no running edge-listen, no sound card of this machine."""

    def nobody(*_: object, **__: object) -> dict[str, object]:
        raise SoundError("no edge-listen is running here")

    monkeypatch.setattr(doctor, "ask", nobody)
    monkeypatch.setattr(doctor, "service_state", lambda: None)
    monkeypatch.setattr(doctor, "SERVICE_CONFIG", tmp_path / "absent.toml")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def lines(output: str) -> dict[str, str]:
    return {
        line[6:18].strip(): line for line in output.splitlines() if line[:4].strip() in ("ok", "warn", "fail")
    }


@pytest.mark.usefixtures("alone")
def test_a_machine_in_order_passes(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    soundfile.write(tmp_path / "street.wav", np.zeros(16000), 16000)
    config = tmp_path / "config.toml"
    config.write_text(
        f'[listen]\nlabels = ["sirens"]\nbundle = "{bundle}"\n[source]\ninput = "{tmp_path}/street.wav"\n'
    )
    assert main(["doctor", "--config", str(config)]) == 0
    found = lines(capsys.readouterr().out)
    assert found["config"] == f"ok    config      {config}"
    assert found["labels"] == "ok    labels      siren"
    assert "cosine 1.00000" in found["golden"]
    assert {
        "python",
        "packages",
        "runtime",
        "cpu",
        "bundle",
        "encoder",
        "speed",
        "source",
        "state",
    } <= found.keys()
    assert "microphone" not in found


@pytest.mark.usefixtures("alone")
def test_a_configuration_that_cannot_be_read_fails_and_the_rest_is_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "config.toml"
    config.write_text("[listen]\nlables = []\n")
    assert main(["doctor", "--config", str(config)]) == 1
    found = lines(capsys.readouterr().out)
    assert found["config"].startswith("fail")
    assert "the nearest known one is listen.labels" in found["config"]
    assert "built-in" in found["bundle"]
    assert "labels" not in found


def test_without_a_file_named_the_service_has_its_own_checked(tmp_path: Path) -> None:
    of_service = tmp_path / "config.toml"
    assert configuration(None, of_service)[0] == ListenConfig()
    of_service.write_text("[listen]\nhop_s = 1\n")
    config, path, found = configuration(None, of_service)
    assert (config.hop_s, path, found) == (1.0, of_service, Check("config", "ok", str(of_service)))


# The machine and its packages.

X86 = "model name\t: Some CPU @ 2 GHz\nflags\t\t: fpu sse2 {}\n"
PI = "processor\t: 0\nFeatures\t: fp asimd {}\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"


@pytest.mark.parametrize(
    ("cpuinfo", "kind", "verdict", "text"),
    [
        (X86.format("avx2 avx512_vnni"), "x86_64", "ok", "Some CPU @ 2 GHz, 4 core(s), AVX2, VNNI"),
        (X86.format("avx2 avx_vnni"), "x86_64", "ok", "Some CPU @ 2 GHz, 4 core(s), AVX2, VNNI"),
        (X86.format("avx2"), "x86_64", "ok", "Some CPU @ 2 GHz, 4 core(s), AVX2, no VNNI"),
        (X86.format("avx"), "x86_64", "warn", "Some CPU @ 2 GHz, 4 core(s), no AVX2"),
        (
            PI.format("asimddp"),
            "aarch64",
            "ok",
            "Raspberry Pi 5 Model B Rev 1.0, 4 core(s), dot product instructions",
        ),
        (
            PI.format("crc32"),
            "aarch64",
            "ok",
            "Raspberry Pi 5 Model B Rev 1.0, 4 core(s), no dot product instructions",
        ),
        ("", "riscv64", "ok", "riscv64, 4 core(s)"),
    ],
)
def test_a_processor_is_told_with_what_makes_it_fast(
    cpuinfo: str, kind: str, verdict: str, text: str
) -> None:
    found = machine.judge_cpu(cpuinfo, kind, 4)
    assert (found.verdict, found.text) == (verdict, text)


@pytest.mark.parametrize(
    ("hottest_c", "throttled", "verdict", "words"),
    [
        (45.0, None, "ok", "45 °C"),
        (45.0, 0, "ok", "never slowed down"),
        (85.0, 0, "warn", "85 °C"),
        (45.0, 0x1, "warn", "under-voltage now"),
        (45.0, 0x50005, "warn", "under-voltage now"),
        (45.0, 0x10000, "warn", "under-voltage since it was started"),
        (45.0, 0x4, "warn", "slowed down now"),
        (None, 0x40000, "warn", "slowed down since it was started"),
    ],
)
def test_heat_and_a_weak_supply_are_told(
    hottest_c: float | None, throttled: int | None, verdict: str, words: str
) -> None:
    found = machine.judge_heat(hottest_c, throttled)
    assert found.verdict == verdict
    assert words in found.text


def test_a_raspberry_pis_bits_are_read_as_it_writes_them(tmp_path: Path) -> None:
    assert list(machine.heat(DEFAULTS, tmp_path)) == []
    (tmp_path / machine.THROTTLED).parent.mkdir(parents=True)
    (tmp_path / machine.THROTTLED).write_text("50000\n")
    assert "under-voltage since" in only(machine.heat(DEFAULTS, tmp_path)).text


def test_only_a_clock_known_to_be_wrong_is_to_be_looked_at() -> None:
    assert [machine.judge_clock(known).verdict for known in (True, None, False)] == ["ok", "ok", "warn"]


def test_two_onnx_runtimes_in_one_environment_fail() -> None:
    both = packages.judge_onnx_runtimes({"onnxruntime": "1.20.0", "onnxruntime-gpu": "1.20.1"})
    assert both.verdict == "fail"
    assert "onnxruntime 1.20.0 and onnxruntime-gpu 1.20.1" in both.text
    assert packages.judge_onnx_runtimes({"onnxruntime": None, "onnxruntime-gpu": "1.20.1"}).verdict == "ok"


def test_a_package_that_fails_to_import_is_told_with_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "soxr.py").write_text("raise OSError('libsoxr: wrong ELF class')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "soxr", raising=False)
    bad, good = packages.packages(DEFAULTS)
    assert (bad.verdict, good.verdict) == ("fail", "ok")
    assert "wrong ELF class" in bad.text
    assert "soxr" not in good.text


def test_extras_are_asked_for_only_where_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "installed", {"paho-mqtt": "2.1"}.get)
    wanted = Subject(ListenConfig(mqtt=MqttSettings("broker"), metrics=MetricsSettings()))
    assert [(c.verdict, c.text) for c in packages.extras(wanted)] == [
        ("ok", "paho-mqtt 2.1 for [mqtt]"),
        ("fail", "[metrics] needs prometheus-client"),
    ]
    assert list(packages.extras(DEFAULTS)) == []


# Bundle, labels, encoder.


def test_a_byte_that_flipped_in_a_large_file_is_found(bundle: Path) -> None:
    assert only(bundles.bundle(with_bundle(bundle))).verdict == "ok"
    path = bundle / "audio_encoder.fp32.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    load_bundle(bundle)  # which does not read it
    found = only(examined("bundle", "bundles:bundle", with_bundle(bundle)))
    assert found.verdict == "fail"
    assert "audio_encoder.fp32.onnx is damaged" in found.text


def test_labels_are_told_by_the_bundles_names_and_unknown_ones_fail(bundle: Path) -> None:
    known = only(bundles.labels(with_bundle(bundle, labels=("ambulance", "Dog_Bark"))))
    assert (known.verdict, known.text) == ("ok", "siren, dog bark")
    unknown = only(examined("labels", "bundles:labels", with_bundle(bundle, labels=("sirene",))))
    assert unknown.verdict == "fail"
    assert "siren" in unknown.text


def test_a_label_that_is_heard_unreliably_is_to_be_looked_at(bundle: Path) -> None:
    edit_manifest(bundle, lambda plain: plain["labels"][1].update(note="few clips"))
    ok, warning = bundles.labels(with_bundle(bundle, labels=("siren",)))
    assert (ok.verdict, warning.verdict) == ("ok", "warn")
    assert "few clips" in warning.text


def test_a_service_with_nothing_to_listen_for_fails() -> None:
    assert only(bundles.labels(Subject(ListenConfig(), SERVICE_CONFIG))).verdict == "fail"
    assert only(bundles.labels(Subject(ListenConfig(), Path("own.toml")))).verdict == "warn"
    assert list(bundles.labels(DEFAULTS)) == []


def test_an_encoder_is_opened_and_measured(bundle: Path) -> None:
    opened, golden, speed = encoders.encoder(with_bundle(bundle))
    assert opened.text == "fp32 (fp32, clip) on cpu"
    assert golden.verdict == speed.verdict == "ok"
    assert "ms a window, one every 0.48 s" in speed.text


def test_an_encoder_that_computes_something_else_here_fails(bundle: Path) -> None:
    golden = load_bundle(bundle).goldens["fp32"]
    turned = np.roll(golden.embedding, 1)
    replace_arrays(bundle, "golden.fp32.npz", {"embedding": turned})
    _, found, _ = encoders.encoder(with_bundle(bundle))
    assert found.verdict == "fail"


@pytest.mark.parametrize(
    ("precision", "cosine", "verdict"),
    [
        ("fp32", 0.9999, "ok"),
        ("fp32", 0.998, "fail"),
        ("fp32", float("nan"), "fail"),
        ("int8", 0.995, "ok"),
        ("int8", 0.97, "warn"),
        ("int8", 0.94, "fail"),
        ("int8", float("nan"), "fail"),
    ],
)
def test_how_far_an_embedding_may_be_from_the_exports(
    bundle: Path, precision: str, cosine: float, verdict: str
) -> None:
    entry = replace(load_bundle(bundle).encoder_entry(), precision=precision)  # type: ignore[arg-type]
    found = encoders.judge_golden(entry, cosine)
    assert found.verdict == verdict
    assert (precision == "int8" and verdict != "ok") == ("8-bit products overflow" in (found.remedy or ""))


def test_a_provider_that_is_not_there_fails(bundle: Path) -> None:
    found = examined("encoder", "encoders:encoder", with_bundle(bundle, provider="tensorrt"))
    assert found[-1].verdict == "fail"
    assert "tensorrt" in found[-1].text


def test_a_gpu_left_idle_is_to_be_looked_at(bundle: Path, tmp_path: Path) -> None:
    entry = load_bundle(bundle).encoder_entry()
    assert encoders.judge_provider(entry, "cpu", "auto", has_nvidia=True).verdict == "warn"
    assert encoders.judge_provider(entry, "cpu", "cpu", has_nvidia=True).verdict == "ok"
    assert encoders.judge_provider(entry, "cuda", "auto", has_nvidia=True).verdict == "ok"
    assert not encoders.has_nvidia(tmp_path)
    (tmp_path / "nvidia0").touch()
    assert encoders.has_nvidia(tmp_path)


@pytest.mark.parametrize(("window_s", "verdict"), [(0.01, "ok"), (0.4, "warn"), (0.6, "fail")])
def test_an_encoder_slower_than_sound_fails(window_s: float, verdict: str) -> None:
    assert encoders.judge_speed(window_s, 0.5).verdict == verdict


# Microphones.

CARD = Microphone(
    "USB Audio", "hw:CARD=Device,DEV=0", "ALSA", 1, 48000, is_default=False, usb_id="usb:0d8c:0014"
)
PULSE = Microphone("pulse", None, "ALSA", 32, 44100, is_default=True)


def test_the_microphone_that_is_meant_is_told_with_its_identity() -> None:
    found = microphones.judge_microphone([CARD, PULSE], "usb audio", is_service=True)
    assert found.verdict == "ok"
    assert found.text == "USB Audio, hw:CARD=Device,DEV=0, usb:0d8c:0014 ('usb audio' of 2)"


@pytest.mark.parametrize(
    ("there", "wanted"), [([], None), ([CARD], "kitchen"), ([CARD], "1"), ([CARD], None)]
)
def test_no_microphone_or_not_that_one_fails(there: list[Microphone], wanted: str | None) -> None:
    assert microphones.judge_microphone(there, wanted, is_service=False).verdict == "fail"


def test_a_sound_servers_microphone_is_no_good_for_a_service() -> None:
    assert microphones.judge_microphone([CARD, PULSE], None, is_service=True).verdict == "warn"
    assert microphones.judge_microphone([CARD, PULSE], None, is_service=False).verdict == "ok"


def test_devices_that_this_user_may_not_open_fail() -> None:
    nodes = [Path("/dev/snd/pcmC1D0c"), Path("/dev/snd/pcmC2D0c")]
    none = microphones.judge_permission(nodes, nodes, is_root=False, in_audio=False)
    assert none.verdict == "fail"
    assert "usermod -aG audio" in (none.remedy or "")
    assert microphones.judge_permission(nodes, nodes[:1], is_root=False, in_audio=False).verdict == "warn"
    assert "group audio" in microphones.judge_permission(nodes, [], is_root=False, in_audio=True).text
    assert "as root" in microphones.judge_permission(nodes, [], is_root=True, in_audio=True).text


def test_only_devices_that_record_are_asked_about(tmp_path: Path) -> None:
    (tmp_path / "pcmC0D0p").touch()
    assert list(microphones.permission(DEFAULTS, tmp_path)) == []
    (tmp_path / "pcmC1D0c").touch()
    assert "pcmC1D0c" in only(microphones.permission(DEFAULTS, tmp_path)).text


@pytest.mark.parametrize(
    ("sound", "verdict"),
    [
        (np.full(48000, 0.1), "warn"),
        (np.zeros(48000), "warn"),
        (np.zeros(0), "fail"),
        (np.full(48000, np.nan), "fail"),
    ],
)
def test_a_microphone_that_is_deaf_is_told(sound: np.ndarray, verdict: str) -> None:
    test = DeviceTest(48000)
    if len(sound):
        test.add(AudioBlock(sound.astype(np.float32), 0), 0.0)
    found = microphones.judge_listening(test.report(), None)
    assert found.verdict == verdict
    assert found.remedy
    assert microphones.judge_listening(test.report(), "it stopped") == Check(
        "listening", "fail", "it stopped"
    )


def test_a_microphone_that_is_listened_to_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(_device: str | None) -> None:
        raise AudioSourceError("it was touched")

    monkeypatch.setattr(microphones, "find_microphone", touched)
    for subject in (replace(DEFAULTS, running={}), replace(DEFAULTS, service_state="active")):
        assert "not tested" in only(microphones.listening(subject)).text


def test_another_source_is_looked_for_instead(tmp_path: Path) -> None:
    absent = Subject(ListenConfig(input=str(tmp_path / "absent.wav")))
    assert only(microphones.other_source(absent)).verdict == "fail"
    assert list(microphones.microphone(absent)) == list(microphones.listening(absent)) == []
    command = ListenConfig(pcm="s16le:48000:1", input_command=f"{sys.executable} -c pass")
    assert only(microphones.other_source(Subject(command))).verdict == "ok"
    command = replace(command, input_command="no-such-recorder -r")
    assert only(microphones.other_source(Subject(command))).verdict == "fail"


# Disk, secrets, command.


@pytest.mark.parametrize(("free_bytes", "verdict"), [(1e9, "ok"), (99e6, "warn"), (9e6, "fail")])
def test_a_disk_that_is_nearly_full_is_told(free_bytes: float, verdict: str) -> None:
    assert storage.judge_room("state", Path("/x"), free_bytes).verdict == verdict


def test_a_directory_need_not_be_there_yet_but_one_that_cannot_be_written_fails(tmp_path: Path) -> None:
    assert storage.examine_directory("state", tmp_path / "to/be/made").verdict == "ok"
    assert not (tmp_path / "to").exists()
    assert list(tmp_path.iterdir()) == []
    assert storage.examine_directory("state", Path("/proc/edge-listen")).verdict == "fail"


def test_directories_of_outputs_are_looked_at_where_they_are_used(tmp_path: Path) -> None:
    assert list(storage.clips(DEFAULTS)) == list(storage.events_file(DEFAULTS)) == []
    config = ListenConfig(
        clips=ClipsSettings(directory=tmp_path),
        events_file=EventFileSettings(tmp_path / "absent/events.jsonl"),
    )
    assert only(storage.clips(Subject(config))).verdict == "ok"
    missing = only(storage.events_file(Subject(config)))
    assert (missing.verdict, missing.remedy) == ("fail", f"mkdir -p {tmp_path}/absent")


def test_a_secret_open_to_others_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    secret = tmp_path / "password"
    secret.write_text("open, sesame")
    config = ListenConfig(
        mqtt=MqttSettings("broker", user="me", password_file=secret),
        webhook=WebhookSettings("https://example.org", secret_credential="key"),  # noqa: S106 - its name
    )
    for mode, verdict in ((0o644, "fail"), (0o600, "ok")):
        os.chmod(secret, mode)  # noqa: PTH101
        of_file, of_systemd = outputs.secrets(Subject(config))
        assert (of_file.verdict, of_systemd.verdict) == (verdict, "ok")
        assert "sesame" not in of_file.line
    assert "only the service is given" in of_systemd.text


def test_the_program_of_a_command_is_looked_for_and_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    config = ListenConfig(command=CommandSettings(f"touch {ran}"))
    assert only(outputs.command(Subject(config))).verdict == "ok"
    assert not ran.exists()
    absent = Subject(ListenConfig(command=CommandSettings("no-such-program -x")))
    assert only(examined("command", "outputs:command", absent)).verdict == "fail"


# The service.


@pytest.mark.parametrize(
    ("state", "verdict"),
    [(None, "ok"), ("active", "ok"), ("failed", "fail"), ("activating", "warn"), ("inactive", "warn")],
)
def test_what_systemd_says_of_the_service(state: str | None, verdict: str) -> None:
    assert only(service.service(replace(DEFAULTS, service_state=state))).verdict == verdict


def test_systemds_answer_is_taken_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    systemctl = tmp_path / "systemctl"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    for said, state in (
        (r"LoadState=loaded\nActiveState=failed\n", "failed"),
        (r"LoadState=not-found\nActiveState=inactive\n", None),
        ("", None),
    ):
        systemctl.write_text(f"#!/bin/sh\nprintf '{said}'\n")
        systemctl.chmod(0o755)
        assert service.service_state() == state


def test_a_running_one_that_hears_nothing_or_cannot_deliver_is_told() -> None:
    well = Status("USB Audio", None, ("siren",), uptime_s=90_000.0)
    found = service.judge_running(well.as_json_object())
    assert (found.verdict, found.text) == ("ok", "listens to USB Audio for 1.0 d, all is well")
    output = OutputStatus("mqtt", failure="refused")
    ill = replace(well, waiting_for="microphone 'x'", conditions=("silent",), outputs=(output,))
    found = service.judge_running(ill.as_json_object())
    assert found.verdict == "warn"
    assert "waits for microphone 'x'; its hearing: silent; mqtt: refused" in found.text


def test_none_running_is_only_amiss_where_the_service_is_active() -> None:
    quiet = replace(DEFAULTS, no_answer="none runs")
    assert only(service.running(quiet)) == Check("running", "ok", "none runs")
    assert only(service.running(replace(quiet, service_state="active"))).verdict == "warn"


@pytest.mark.pulseaudio
def test_a_silent_microphone_is_heard_to_be_silent(tmp_path: Path) -> None:
    if ctypes.util.find_library("portaudio") is None:
        pytest.skip("PortAudio is not installed (apt install libportaudio2 libasound2-plugins)")
    (tmp_path / "config.toml").write_text('[listen]\nlabels = ["siren"]\n')
    with null_sink(tmp_path) as sink:
        environment = {**sink.environment, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"]}
        run = edge_listen("doctor", "--config", str(tmp_path / "config.toml"), environment=environment)
    found = lines(run.stdout.decode())
    assert found["microphone"].startswith("ok    microphone  default (the default of ")
    assert found["listening"].startswith("warn  listening   not usable, digital silence -> is it muted")
    assert run.stderr == b""


def test_own_sounds_are_labels_and_a_damaged_overlay_is_told_of(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    subject = with_bundle(bundle, labels=("our doorbell", "siren"))
    assert only(examined("labels", "bundles:labels", subject)).verdict == "fail"
    loaded = load_bundle(bundle)
    sha256 = loaded.arrays["fp32"].encoder_sha256
    vectors = loaded.arrays["fp32"].vectors[:1]
    sound = EnrolledSound(
        "our doorbell", vectors, ("ring1.wav",), ("ring1.wav",), 0.5, "2026-01-01T00:00:00Z"
    )
    store = OverlayStore(tmp_path / "overlay")
    store.change(sha256, lambda before: replace(before, sounds=(sound,), false_alarms={"siren": 0.5}))
    assert only(examined("labels", "bundles:labels", subject)).verdict == "ok"
    found = only(examined("overlay", "bundles:overlay", subject))
    assert (found.verdict, found.text) == ("ok", '"our doorbell", siren at 0.5/h')
    (state,) = (tmp_path / "overlay").glob("*/*.overlay")
    state.write_bytes(state.read_bytes()[:-9])
    found = only(examined("overlay", "bundles:overlay", subject))
    assert found.verdict == "fail"
    assert "rollback" in found.text
