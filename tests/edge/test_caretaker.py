from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from event_records import event_record
from numpy.typing import NDArray
from synthetic_bundle import SAMPLE_RATE_HZ, TONES_HZ, WINDOW_S, tone, write_synthetic_bundle

from edge import caretaker as caretaker_module
from edge.caretaker import Caretaker, Watched
from edge.config import ListenConfig
from edge.deafness import GRACE_S, DeafnessGuard
from edge.errors import AudioSourceError, ConfigError, SoundError
from edge.events import EventRecord, EventStamper, HealthRecord, Record
from edge.health import HealthMonitor
from edge.output_makers import Surroundings
from edge.output_settings import EventFileSettings, HealthSettings
from edge.outputs import Outputs
from edge.own_state.live import LiveRequests
from edge.pipeline import Pipeline, prepare
from edge.recognizer import WindowReport
from edge.reload import Reloader
from edge.requests import RequestQueue
from edge.service_manager import ServiceManager
from edge.status import Status
from edge.status_keeper import StatusKeeper
from edge.times import utc
from edge.types import AudioBlock, SoundEvent

BEGAN_S = 5000.0
BEGAN_UNIX_S = 1714564951.0
BLOCK_S = 0.24
PATIENCE_S = 10.0
TELL_AFTER_S = 10.0
REOPEN_AFTER_S = 20.0
RESTART_AFTER_S = 90.0


class Clock:
    """Stands in for the module `time`: it goes when it is told to."""

    def __init__(self) -> None:
        self.now_s = BEGAN_S

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return BEGAN_UNIX_S + self.now_s - BEGAN_S


class Microphone:
    """A live source that is as a test wants it."""

    def __init__(self) -> None:
        self.name = "USB Audio"
        self.dropped_samples = 0
        self.backlog_s = 0.0
        self.waiting_for: str | None = None
        self.n_reopened = 0

    def reopen(self) -> None:
        self.n_reopened += 1


class ToldOutputs(Outputs):
    """Outputs that remember what they were told."""

    def __init__(self, config: ListenConfig, around: Surroundings) -> None:
        self.told: list[Status] = []
        self.n_blocks = self.n_reports = 0
        super().__init__(config, around)

    def tell(self, status: Status) -> None:
        self.told.append(status)
        super().tell(status)

    def took(self, block: AudioBlock) -> None:
        self.n_blocks += 1
        super().took(block)

    def saw(self, report: WindowReport) -> None:
        self.n_reports += 1
        super().saw(report)


class Scene:
    """A caretaker with all that it looks after, and a clock that goes with the sound."""

    def __init__(self, config: ListenConfig, pipeline: Pipeline, clock: Clock, directory: Path) -> None:
        self.config = config
        self.pipeline = pipeline
        self.clock = clock
        self.source = Microphone()
        self.requests = RequestQueue()
        self.sent: list[Record] = []
        self.is_busy = False
        self.busy_until_s = 0.0
        around = Surroundings("1", SAMPLE_RATE_HZ, directory, (), waits=False, labels=(), set_labels=print)
        self.outputs = ToldOutputs(config, around)
        self.wanted: Callable[[], ListenConfig] = lambda: config
        self.reloader = Reloader(config, pipeline, self.outputs, self._read)
        self.stamper = EventStamper(lambda: self.source.name, SAMPLE_RATE_HZ, "ab" * 32)
        self.position = 0
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(directory / "notify"))
        self.notify.settimeout(0)
        self._manager = ServiceManager(str(directory / "notify"))
        self._received: list[str] = []

    def _read(self) -> ListenConfig:
        return self.wanted()

    def _busy_s(self) -> float:
        return self.clock.now_s if self.is_busy else self.busy_until_s

    def begin(self, limit: float = 0.9, *, as_service: bool = True) -> None:
        self.keeper = StatusKeeper(self.pipeline.prototypes, tuple(self.pipeline.rules))
        health = self.config.health
        self.care = Caretaker(
            self.keeper,
            HealthMonitor(health.tell_after_s),
            DeafnessGuard(health, self.clock.now_s),
            limit,
            self._busy_s,
        )
        self.recognizer = self.pipeline.recognizer(self.care.saw)
        self.care.watch(
            Watched(
                source=self.source,
                recognizer=self.recognizer,
                pipeline=self.pipeline,
                stamper=self.stamper,
                send=self._send,
                outputs=self.outputs,
                reloader=self.reloader,
                requests=self.requests,
                live=LiveRequests(self.reloader.ask),
                manager=self._manager if as_service else None,
                on_labels=lambda _pipeline: None,
            )
        )

    def _send(self, record: Record) -> None:
        self.keeper.sent(record)
        self.sent.append(record)

    def hear(self, samples: NDArray[np.float32]) -> list[SoundEvent]:
        """Play them, and let time pass meanwhile. Returns: the events, which are sent too."""
        n = round(BLOCK_S * SAMPLE_RATE_HZ)
        events = []
        for start in range(0, len(samples), n):
            block = AudioBlock(samples[start : start + n], self.position, self.clock.time())
            self.position += len(block.samples)
            self.clock.now_s += len(block.samples) / SAMPLE_RATE_HZ
            self.stamper.saw(block)
            self.care.took(block)
            events += self._sent(self.recognizer.push(block))
            events += self._tend()
        return events

    def idle(self, duration_s: float) -> list[SoundEvent]:
        """Let time pass without a block, as a source that yields None now and then."""
        events = []
        for _ in range(round(duration_s / 0.5)):
            self.clock.now_s += 0.5
            events += self._tend()
        return events

    def _sent(self, events: list[SoundEvent]) -> list[SoundEvent]:
        for event in events:
            self._send(self.stamper.stamp(event))
        return events

    def messages(self) -> list[str]:
        """What the service manager was sent since the call before."""
        self._receive()
        messages, self._received = self._received, []
        return messages

    def _receive(self) -> None:
        # As it comes: few of these fit in a queue.
        with suppress(BlockingIOError):
            while True:
                self._received.append(self.notify.recv(65536).decode())

    def _tend(self) -> list[SoundEvent]:
        events = self._sent(self.care.tend())
        self._receive()
        return events

    def n_fed(self) -> int:
        return self.messages().count("WATCHDOG=1")

    def health(self) -> list[tuple[str, str]]:
        records = [record for record in self.sent if isinstance(record, HealthRecord)]
        return [(record.condition, record.state) for record in records]

    def status(self) -> Status:
        return self.outputs.told[-1]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> ListenConfig:
    bundle = tmp_path_factory.mktemp("caretaker") / "bundle"
    write_synthetic_bundle(bundle)
    health = HealthSettings(TELL_AFTER_S, REOPEN_AFTER_S, RESTART_AFTER_S)
    return ListenConfig(labels=("siren", "dog bark"), bundle=bundle, health=health)


@pytest.fixture(scope="module")
def pipeline(config: ListenConfig) -> Pipeline:
    return prepare(config)


@pytest.fixture
def scene(
    config: ListenConfig, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    clock = Clock()
    monkeypatch.setattr(caretaker_module, "time", clock)
    made = Scene(config, pipeline, clock, tmp_path)
    with closing(made.outputs), closing(made.reloader), made.notify:
        yield made


def siren(duration_s: float) -> NDArray[np.float32]:
    return tone(TONES_HZ["siren"], duration_s)


def quiet(duration_s: float) -> NDArray[np.float32]:
    return tone(200.0, duration_s, amplitude=1e-4)


def silence(duration_s: float) -> NDArray[np.float32]:
    return np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.float32)


def clipped(duration_s: float) -> NDArray[np.float32]:
    return np.clip(tone(200.0, duration_s, amplitude=5.0), -1.0, 1.0)


def await_reload() -> None:
    for thread in threading.enumerate():
        if thread.name == "reload":
            thread.join(PATIENCE_S)


# --- the service manager


def test_the_manager_is_told_once_that_all_is_ready(scene: Scene) -> None:
    assert scene.messages() == []
    scene.begin()
    assert scene.messages() == ["READY=1"]
    scene.hear(quiet(3.0))
    assert "READY=1" not in scene.messages()


def test_before_it_watches_there_is_nothing_to_do() -> None:
    keeper_of_nothing = StatusKeeper.__new__(StatusKeeper)
    guard = DeafnessGuard(HealthSettings(), 0.0)
    assert Caretaker(keeper_of_nothing, HealthMonitor(1.0), guard, 1.0, lambda: 0.0).tend() == []


@pytest.mark.parametrize("sound", [siren, quiet, clipped])
def test_the_watchdog_is_fed_while_windows_can_be_used(
    sound: Callable[[float], NDArray[np.float32]], scene: Scene
) -> None:
    scene.begin()
    for _ in range(4):
        scene.hear(sound((RESTART_AFTER_S + GRACE_S + 30.0) / 4))
        scene.messages()
    scene.hear(sound(10.0))
    assert 10 <= scene.n_fed() <= 25
    assert scene.source.n_reopened == 0


def test_the_watchdog_is_fed_while_the_source_waits_for_its_microphone(scene: Scene) -> None:
    scene.begin()
    scene.source.waiting_for = "no microphone matches 'USB'"
    for _ in range(100):
        scene.idle(36.0)
        scene.messages()
    scene.idle(10.0)
    assert scene.n_fed() == 20
    assert scene.source.n_reopened == 0


@pytest.mark.parametrize("deaf", ["no blocks", "digital silence"])
def test_the_watchdog_is_fed_while_remedies_are_on_schedule(deaf: str, scene: Scene) -> None:
    scene.begin()
    for _ in range(round(RESTART_AFTER_S / 10.0) - 1):
        if deaf == "no blocks":
            scene.idle(10.0)
        else:
            scene.hear(silence(10.0))
        assert scene.n_fed() >= 10
    assert 3 <= scene.source.n_reopened <= 4  # it looks twice a second, between two blocks


def test_the_watchdog_is_fed_no_more_when_the_remedies_should_have_helped(scene: Scene) -> None:
    scene.begin()
    with pytest.raises(AudioSourceError):
        scene.idle(RESTART_AFTER_S + 1.0)
    # If ending took for ever, the manager would have to step in.
    for _ in range(4):
        scene.messages()
        scene.idle(GRACE_S / 4)
    assert scene.n_fed() > 0
    scene.idle(10.0)
    assert scene.n_fed() == 0
    scene.hear(quiet(2 * WINDOW_S))
    assert scene.n_fed() > 0


def test_a_microphone_that_gives_nothing_usable_is_opened_anew_again_and_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.begin()
    scene.hear(quiet(5.0))
    scene.hear(silence(REOPEN_AFTER_S - 1.0))
    assert scene.source.n_reopened == 0
    scene.hear(silence(2.0 + WINDOW_S))
    assert scene.source.n_reopened == 1
    scene.hear(silence(REOPEN_AFTER_S))
    assert scene.source.n_reopened == 2
    warnings = [each.getMessage() for each in caplog.records]
    assert warnings.count("nothing usable is heard, so USB Audio is opened anew") == 1


def test_a_service_that_stays_deaf_ends_to_be_started_anew(scene: Scene) -> None:
    scene.begin()
    scene.hear(quiet(5.0))
    scene.idle(RESTART_AFTER_S - 2.0)
    with pytest.raises(AudioSourceError, match="nothing usable was heard from USB Audio for long"):
        scene.idle(5.0)


def test_without_a_manager_it_never_ends_and_goes_on_opening_anew(scene: Scene) -> None:
    scene.begin(as_service=False)
    scene.idle(RESTART_AFTER_S + 10 * REOPEN_AFTER_S)
    before = scene.source.n_reopened
    scene.idle(10 * REOPEN_AFTER_S)
    assert scene.source.n_reopened == before + 10
    assert scene.messages() == []


def test_the_manager_is_shown_what_is_heard(scene: Scene) -> None:
    scene.begin()
    scene.hear(quiet(5.0))
    lines = [message for message in scene.messages() if message.startswith("STATUS=")]
    assert lines[0] == "STATUS=listening for siren, dog bark"
    assert lines[-1] == "STATUS=listening for siren, dog bark; level -85 dBFS"


# --- health


def test_lost_sound_is_told_at_once_and_once(scene: Scene) -> None:
    scene.begin()
    scene.hear(quiet(2.0))
    for _ in range(3):
        scene.source.dropped_samples += SAMPLE_RATE_HZ // 2
        scene.hear(quiet(1.0))
    assert scene.health() == [("lost_sound", "begun")]
    begun = scene.sent[0]
    assert isinstance(begun, HealthRecord)
    assert "0.50 s in all" in begun.message
    assert scene.status().conditions == ("lost_sound",)
    assert scene.status().lost_s == 1.5
    scene.hear(quiet(12.0))
    assert scene.health() == [("lost_sound", "begun"), ("lost_sound", "ended")]
    assert scene.status().conditions == ()


def test_too_much_work_makes_it_pass_windows_over_until_there_is_time_again(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.is_busy = True
    scene.begin(limit=0.9)
    scene.hear(quiet(7.0))
    assert scene.recognizer.hear_every == 2
    assert scene.health() == [("slow", "begun")]
    assert "one of 2 windows is heard from now on: a hop of 0.96 s" in caplog.messages
    scene.is_busy, scene.busy_until_s = False, scene.clock.now_s
    scene.hear(quiet(5.0))
    status = scene.status()
    assert status.hop_s == 0.96
    assert status.n_windows["skipped"] > 0
    assert "slow" in status.conditions
    scene.hear(quiet(80.0))
    assert scene.recognizer.hear_every == 1
    assert scene.health() == [("slow", "begun"), ("slow", "ended")]
    assert scene.status().hop_s == 0.48


def test_sound_that_piles_up_makes_it_pass_windows_over_too(scene: Scene) -> None:
    scene.begin()
    scene.source.backlog_s = 2.5
    scene.hear(quiet(7.0))
    assert scene.recognizer.hear_every == 2


def test_no_sound_is_told_and_that_it_is_back(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edge.caretaker")
    scene.begin()
    scene.hear(quiet(5.0))
    scene.idle(TELL_AFTER_S)
    assert scene.health() == []
    scene.idle(4.0)
    assert scene.health() == [("no_sound", "begun")]
    assert scene.status().conditions == ("no_sound",)
    scene.hear(quiet(15.0))
    assert scene.health() == [("no_sound", "begun"), ("no_sound", "ended")]
    levels = [each.levelno for each in caplog.records if each.name == "edge.caretaker"]
    assert levels == [logging.WARNING, logging.INFO]


def test_a_pause_that_is_short_is_not_told(scene: Scene) -> None:
    scene.begin()
    for _ in range(5):
        scene.hear(quiet(5.0))
        scene.idle(5.0)
    assert scene.health() == []


def test_an_absent_microphone_is_told_and_that_it_is_back(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "edge.caretaker")
    scene.begin()
    scene.source.waiting_for = "no microphone matches 'USB'"
    scene.idle(TELL_AFTER_S + 2.0)
    assert scene.health() == [("absent", "begun")]
    assert scene.status().waiting_for == "no microphone matches 'USB'"
    assert not scene.status().is_well
    scene.source.waiting_for = None
    scene.hear(quiet(15.0))
    assert scene.health() == [("absent", "begun"), ("absent", "ended")]
    assert scene.status().is_well
    # Of an absent microphone the source tells by itself.
    levels = [each.levelno for each in caplog.records if each.name == "edge.caretaker"]
    assert levels == [logging.DEBUG, logging.DEBUG]


def test_silence_is_told_with_the_time_and_the_place_where_it_was_known(scene: Scene) -> None:
    scene.begin()
    scene.hear(silence(TELL_AFTER_S + 5.0))
    (record,) = scene.sent
    assert isinstance(record, HealthRecord)
    assert (record.condition, record.state, record.source) == ("silent", "begun", "USB Audio")
    assert TELL_AFTER_S < record.stream_s < TELL_AFTER_S + 5.0
    assert record.time == utc(BEGAN_UNIX_S + record.stream_s)


@pytest.mark.parametrize("how", ["absent", "no_sound"])
def test_events_that_are_open_end_when_no_sound_comes_any_more(how: str, scene: Scene) -> None:
    scene.begin()
    assert [event.kind for event in scene.hear(siren(6.0))] == ["onset"]
    if how == "absent":
        scene.source.waiting_for = "it was unplugged"
    assert [(event.kind, event.label) for event in scene.idle(20.0)] == [("offset", "siren")]


def test_deafness_counts_from_the_last_sound_though_open_events_ended_since(scene: Scene) -> None:
    scene.begin()
    scene.hear(siren(5.1))  # not a whole number of hops
    scene.idle(REOPEN_AFTER_S + 1.0)
    assert scene.source.n_reopened == 1


# --- what is told and asked


def test_outputs_are_told_the_status_each_second_and_given_every_block_and_window(scene: Scene) -> None:
    scene.begin()
    scene.hear(quiet(24.0))
    assert 17 <= len(scene.outputs.told) <= 24
    assert scene.outputs.n_blocks == 100
    assert scene.outputs.n_reports == scene.keeper.n_windows["quiet"] > 0


def test_the_status_holds_what_happened(scene: Scene) -> None:
    scene.begin()
    scene.hear(siren(6.0))
    request = scene.requests.put("status")
    scene.care.tend()
    plain = request.answer.result(0)
    assert json.loads(json.dumps(plain)) == plain
    assert plain["is_well"] is True
    assert (plain["source"], plain["labels"]) == ("USB Audio", ["siren", "dog bark"])
    assert (plain["stream_s"], plain["uptime_s"], plain["hop_s"]) == (6.0, 6.0, 0.48)
    assert plain["level_dbfs"] == pytest.approx(-13.5, abs=0.1)
    n_windows = int((6.0 - WINDOW_S) / 0.48) + 1
    assert plain["windows"] == {"scored": n_windows, "skipped": 0}
    assert plain["events"] == {"siren": 1}
    assert isinstance(plain["last_event"], dict)
    assert plain["last_event"]["label"] == "siren"
    assert isinstance(plain["scores"], dict)
    assert plain["scores"]["siren"] == pytest.approx(1.0, abs=1e-3)
    assert plain["scores"]["dog bark"] < 0.9


def test_the_status_is_answered_while_no_sound_comes(scene: Scene) -> None:
    scene.begin()
    scene.source.waiting_for = "it was unplugged"
    request = scene.requests.put("status")
    scene.idle(0.5)
    assert request.answer.result(0)["waiting_for"] == "it was unplugged"


def test_a_command_that_is_not_known_is_answered_with_an_error(scene: Scene) -> None:
    scene.begin()
    request = scene.requests.put("sing")
    scene.idle(0.5)
    with pytest.raises(SoundError, match="knows no command 'sing'"):
        request.answer.result(0)


# --- other settings


def test_other_labels_take_effect_between_two_blocks_and_open_events_of_dropped_ones_end(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edge.caretaker")
    scene.begin()
    scene.hear(siren(6.0))
    request = scene.requests.put("labels", {"labels": ["alarm beep"]})
    assert scene.care.tend() == []
    await_reload()
    (offset,) = scene.care.tend()
    assert (offset.kind, offset.label, offset.offset_sample) == ("offset", "siren", scene.position)
    assert request.answer.result(0) == {"labels": ["alarm beep"], "at_restart": []}
    assert "listening for alarm beep from now on" in caplog.messages
    (onset,) = scene.hear(tone(TONES_HZ["alarm beep"], 6.0))
    assert (onset.kind, onset.label) == ("onset", "alarm beep")
    assert scene.status().labels == ("alarm beep",)
    assert set(scene.status().scores) == {"alarm beep"}


def test_an_event_of_a_label_that_stays_goes_on(scene: Scene) -> None:
    scene.begin()
    scene.hear(siren(6.0))
    scene.requests.put("labels", {"labels": ["alarm beep", "siren"]})
    scene.care.tend()
    await_reload()
    assert scene.care.tend() == []
    assert scene.hear(siren(3.0)) == []
    offsets = scene.hear(quiet(6.0))
    assert [(event.kind, event.label) for event in offsets] == [("offset", "siren")]


def test_no_sample_is_lost_while_a_reload_is_made_ready(scene: Scene) -> None:
    may_go_on = threading.Event()

    def read() -> ListenConfig:
        assert may_go_on.wait(PATIENCE_S)
        return replace(scene.config, labels=("siren", "alarm beep"))

    scene.wanted = read
    scene.begin()
    request = scene.requests.put("reload")
    scene.hear(quiet(10.0))
    n_windows = scene.keeper.n_windows["quiet"]
    assert n_windows == int((10.0 - WINDOW_S) / 0.48) + 1
    assert not request.answer.done()
    may_go_on.set()
    await_reload()
    scene.hear(quiet(4.8))
    assert request.answer.done()
    assert scene.keeper.n_windows["quiet"] == int((14.8 - WINDOW_S) / 0.48) + 1


def test_a_reload_changes_outputs_and_names_what_waits_for_a_restart(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = replace(scene.config, events_file=EventFileSettings(tmp_path / "events"), hop_s=0.24)
    scene.wanted = lambda: wanted
    scene.begin()
    request = scene.requests.put("reload")
    scene.care.tend()
    await_reload()
    scene.care.tend()
    assert scene.outputs.names == ("events_file",)
    assert request.answer.result(0) == {"labels": ["siren", "dog bark"], "at_restart": ["hop_s"]}
    assert "used from the next start on: hop_s" in caplog.messages
    scene.outputs.emit(event_record())
    scene.outputs.close()
    assert len((tmp_path / "events").read_text().splitlines()) == 1


def test_a_reload_that_fails_keeps_the_old_settings_answers_and_logs(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> ListenConfig:
        raise ConfigError("edge-listen.toml is not valid TOML: line 3")

    scene.wanted = read
    scene.begin()
    request = scene.requests.put("reload")
    scene.care.tend()
    await_reload()
    assert scene.care.tend() == []
    with pytest.raises(ConfigError, match="line 3"):
        request.answer.result(0)
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert errors == ["reload failed, so the old settings stay: edge-listen.toml is not valid TOML: line 3"]
    assert [event.label for event in scene.hear(siren(6.0))] == ["siren"]
    assert scene.status().labels == ("siren", "dog bark")


def test_requests_that_come_together_are_all_answered(scene: Scene) -> None:
    scene.begin()
    first = scene.requests.put("labels", {"labels": ["dog bark"]})
    second = scene.requests.put("labels", {"labels": ["siren"]})
    status = scene.requests.put("status")
    for _ in range(4):
        scene.care.tend()
        await_reload()
    assert status.answer.done()
    assert first.answer.result(0)["labels"] == ["dog bark"]
    assert second.answer.result(0)["labels"] == ["siren"]
    assert [record for record in scene.sent if isinstance(record, EventRecord)] == []
