"""Sound from a microphone, through PortAudio. The only module that imports sounddevice."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from edge.errors import AudioSourceError
from edge.sources.microphone_choice import USE_DEMO, Microphone, choose, stable_name
from edge.sources.recording import Chunk, Recording, Timeline
from edge.sources.sound_cards import read_sound_cards
from edge.types import AudioBlock, AudioSource

BLOCK_S = 0.05
QUEUE_S = 10.0
NO_SOUND_S = 5.0
STOP_CHECK_S = 0.2
MAX_NATIVE_CHANNELS = 8
VIRTUAL_CHANNELS = 2

_log = logging.getLogger(__name__)


def check_portaudio() -> None:
    """Raises: AudioSourceError without PortAudio, which no waiting brings."""
    _sounddevice()


def rescan() -> None:
    """Have PortAudio look for devices anew; it knows only those that were there when it was started.

    No stream may be open. Raises: AudioSourceError.
    """
    portaudio = _sounddevice()
    # It refuses if it isn't running, which it isn't where the start below failed the last time.
    with contextlib.suppress(portaudio.PortAudioError):
        portaudio._terminate()  # noqa: SLF001 - sounddevice documents no other way
    with _one_error(portaudio, "sound devices cannot be looked for"):
        portaudio._initialize()  # noqa: SLF001


def portaudio_version() -> str:
    """What PortAudio says of itself. Raises: AudioSourceError without it."""
    return str(_sounddevice().get_portaudio_version()[1])


def list_microphones() -> list[Microphone]:
    """All input devices. Raises: AudioSourceError without PortAudio."""
    return [microphone for _, microphone in _enumerate(_sounddevice())]


class MicrophoneSource:
    """A microphone at its native rate, down-mixed by the mean of its channels and resampled.

    All channels are taken up to `MAX_NATIVE_CHANNELS`; a device that claims more is a sound server's or a
    mixing desk's, of which two are taken.

    Args:
        device: a name, a part of one, or an ALSA card id ("hw:CARD=Device"); None for the default.
        sample_rate_hz: the encoder's.
    """

    def __init__(self, device: str | None, sample_rate_hz: int) -> None:
        self._device = device
        self._sample_rate_hz = sample_rate_hz
        self._stopped = False
        self._stream: Any = None
        self._name = "default microphone" if device is None else device
        self._recording: Recording | None = None

    @property
    def name(self) -> str:
        """The microphone's name once it is open, before that the one asked for."""
        return self._name

    @property
    def dropped_samples(self) -> int:
        """Samples lost so far, at the encoder's sample rate."""
        if self._recording is None:
            return 0
        return round(self._recording.n_lost * self._sample_rate_hz / self._recording.rate_hz)

    @property
    def backlog_s(self) -> float:
        """Seconds of sound that were recorded and not yet read."""
        return 0.0 if self._recording is None else self._recording.chunks.qsize() * BLOCK_S

    def __enter__(self) -> AudioSource:
        """Find the device and start recording. Raises: AudioSourceError."""
        portaudio = _sounddevice()
        devices = _enumerate(portaudio)
        index, microphone = devices[choose([microphone for _, microphone in devices], self._device)]
        self._name = microphone.name
        recording = Recording(microphone.sample_rate_hz, round(QUEUE_S / BLOCK_S))
        n_channels = microphone.n_channels
        with _one_error(portaudio, f"microphone {self.name!r} cannot be opened"):
            self._stream = portaudio.InputStream(
                device=index,
                samplerate=microphone.sample_rate_hz,
                channels=n_channels if n_channels <= MAX_NATIVE_CHANNELS else VIRTUAL_CHANNELS,
                dtype="float32",
                blocksize=round(microphone.sample_rate_hz * BLOCK_S),
                latency="high",
                callback=recording.callback,
            )
            try:
                self._stream.start()
            except portaudio.PortAudioError:
                self.__exit__(None, None, None)
                raise
        self._recording = recording
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop recording."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def stop(self) -> None:
        """End `blocks()` within `STOP_CHECK_S`."""
        self._stopped = True

    def blocks(self) -> Iterator[AudioBlock | None]:
        """Yield what was recorded since the source was opened, from sample 0.

        It yields None when there was nothing for `STOP_CHECK_S`.

        Raises: AudioSourceError when the device stops, or delivers nothing for `NO_SOUND_S`.
        """
        if self._recording is None or self._stream is None:
            raise AudioSourceError(f"microphone {self.name!r} is not open: use it in a with statement")
        timeline = Timeline(self._recording.rate_hz, self._sample_rate_hz)
        for chunk in self._chunks(self._recording.chunks):
            if chunk is None:
                yield None
                continue
            if chunk.n_lost_before:
                lost_s = chunk.n_lost_before / self._recording.rate_hz
                _log.debug("microphone %r: %.2f s of sound lost", self.name, lost_s)
            yield from timeline.add(chunk)

    def _chunks(self, recorded: queue.SimpleQueue[Chunk]) -> Iterator[Chunk | None]:
        waiting_since_s = time.monotonic()
        while not self._stopped:
            try:
                chunk = recorded.get(timeout=STOP_CHECK_S)
            except queue.Empty:
                self._check_alive(time.monotonic() - waiting_since_s)
                yield None
                continue
            yield chunk
            waiting_since_s = time.monotonic()

    def _check_alive(self, waited_s: float) -> None:
        if not self._stream.active:
            raise AudioSourceError(
                f"microphone {self.name!r} stopped: is it still plugged in? See edge-listen devices"
            )
        if waited_s >= NO_SOUND_S:
            raise AudioSourceError(
                f"microphone {self.name!r} has delivered no sound for {waited_s:.0f} s: plug it in anew, "
                "or choose another (edge-listen devices)"
            )


def _sounddevice() -> Any:
    try:
        import sounddevice  # noqa: PLC0415 - importing it loads PortAudio, which may not be there
    except OSError as error:
        raise AudioSourceError(
            f"PortAudio is not installed ({error}): sudo apt install libportaudio2; {USE_DEMO}"
        ) from error
    return sounddevice


def _enumerate(portaudio: Any) -> list[tuple[int, Microphone]]:
    """Input devices with the index that PortAudio gave them for this session."""
    with _one_error(portaudio, "sound devices cannot be listed"):
        devices = portaudio.query_devices()
        host_apis = portaudio.query_hostapis()
        default = portaudio.default.device[0]
    cards = read_sound_cards()
    microphones = []
    for index, device in enumerate(devices):
        if device["max_input_channels"] < 1:
            continue
        name, card_id, card = stable_name(device["name"], cards)
        microphones.append(
            (
                index,
                Microphone(
                    name=name,
                    card_id=card_id,
                    host_api=host_apis[device["hostapi"]]["name"],
                    n_channels=device["max_input_channels"],
                    sample_rate_hz=round(device["default_samplerate"]),
                    is_default=index == default,
                    usb_id=card.usb_id if card else None,
                    usb_port=card.usb_port if card else None,
                ),
            )
        )
    return microphones


@contextlib.contextmanager
def _one_error(portaudio: Any, what: str) -> Iterator[None]:
    try:
        yield
    except (portaudio.PortAudioError, ValueError) as error:
        # PortAudio's messages may span lines.
        reason = " ".join(str(error).split())
        raise AudioSourceError(f"{what} ({reason}): see edge-listen devices; {USE_DEMO}") from error
