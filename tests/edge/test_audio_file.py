from __future__ import annotations

import logging
import os
import struct
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from source_reading import until_error

from edge.errors import AudioSourceError
from edge.sources.audio_file import AudioFileSource
from edge.types import AudioBlock, Samples

RATE_HZ = 16000


def tone(rate_hz: int, seconds: float, hz: float = 440.0) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)).astype(np.float32)


def read(path: Path) -> list[AudioBlock]:
    with AudioFileSource(path, RATE_HZ) as source:
        return list(source.blocks())


def joined(blocks: list[AudioBlock]) -> Samples:
    position = 0
    for block in blocks:
        assert block.start_sample == position
        assert block.captured_unix_s is None
        assert block.samples.dtype == np.float32
        position += len(block.samples)
    return np.concatenate([block.samples for block in blocks])


def wav(path: Path, **changed: int) -> Path:
    """A second of tone in a WAV of which some header fields say something else."""
    soundfile.write(path, tone(RATE_HZ, 1.0), RATE_HZ, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    places = {"n_channels": ("<H", 22), "rate_hz": ("<I", 24), "n_bytes": ("<I", data.index(b"data") + 4)}
    for field, value in changed.items():
        code, place = places[field]
        struct.pack_into(code, data, place, value)
    path.write_bytes(data)
    return path


def message(path: Path) -> str:
    with pytest.raises(AudioSourceError) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "au", "w64"])
def test_a_tone_is_heard_from_every_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(44100, 1.5), 44100)
    samples = joined(read(path))
    assert abs(len(samples) - 1.5 * RATE_HZ) <= 0.05 * RATE_HZ  # mp3 pads to whole frames
    spectrum = np.abs(np.fft.rfft(samples[4000:20000]))
    assert np.argmax(spectrum) * RATE_HZ / 16000 == pytest.approx(440, abs=2)
    assert np.sqrt(np.mean(samples[4000:20000] ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)


@pytest.mark.parametrize("rate_hz", [1000, 8000, 16000, 22050, 48000, 192000, 768000])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_every_rate_and_depth_gives_the_same_sound(tmp_path: Path, rate_hz: int, subtype: str) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(rate_hz, 1.0, hz=200), rate_hz, subtype=subtype)
    samples = joined(read(path))
    assert abs(len(samples) - RATE_HZ) <= 1
    np.testing.assert_allclose(samples[3000:13000], tone(RATE_HZ, 1.0, hz=200)[3000:13000], atol=0.02)


@pytest.mark.parametrize("n_channels", [2, 3, 8])
def test_channels_are_averaged(tmp_path: Path, n_channels: int) -> None:
    path = tmp_path / "many.wav"
    channels = np.random.default_rng(3).uniform(-0.9, 0.9, (5000, n_channels)).astype(np.float32)
    soundfile.write(path, channels, RATE_HZ, subtype="FLOAT")
    np.testing.assert_allclose(joined(read(path)), channels.mean(axis=1), atol=1e-6)


def test_float_samples_beyond_full_scale_and_not_a_number_are_not_hidden(tmp_path: Path) -> None:
    path = tmp_path / "odd.wav"
    soundfile.write(path, np.array([0.1, 3.0, np.nan, -2.0], np.float32), RATE_HZ, subtype="FLOAT")
    np.testing.assert_array_equal(joined(read(path)), np.array([0.1, 3.0, np.nan, -2.0], np.float32))


def test_a_file_shorter_than_a_block_is_heard_whole(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, tone(RATE_HZ, 1.0)[:1], RATE_HZ, subtype="FLOAT")
    assert len(joined(read(path))) == 1


def test_a_long_file_needs_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, np.zeros(8000 * 600, np.int16), 8000)
    tracemalloc.start()
    try:
        with AudioFileSource(path, RATE_HZ) as source:
            seconds = sum(len(block.samples) for block in source.blocks()) / RATE_HZ
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert seconds == pytest.approx(600)
    assert peak < 2_000_000


def test_a_file_is_finite_and_called_by_its_name(tmp_path: Path) -> None:
    source = AudioFileSource(wav(tmp_path / "bark.wav"), RATE_HZ)
    assert (source.name, source.dropped_samples) == ("bark.wav", 0)


def test_in_real_time_a_block_comes_when_it_would_have_been_heard(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(RATE_HZ, 0.5), RATE_HZ, subtype="FLOAT")
    with AudioFileSource(path, RATE_HZ, realtime=True) as source:
        began_s = time.monotonic()
        ends = [(b.start_sample + len(b.samples), time.monotonic() - began_s) for b in source.blocks()]
    assert all(at_s >= end_sample / RATE_HZ - 0.005 for end_sample, at_s in ends)
    assert ends[-1][0] == RATE_HZ // 2
    assert ends[-1][1] < 1.5


def test_stop_ends_it_at_the_next_block(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(RATE_HZ, 60.0), RATE_HZ)
    with AudioFileSource(path, RATE_HZ, realtime=True) as source:
        began_s = time.monotonic()
        for _ in source.blocks():
            source.stop()
    assert time.monotonic() - began_s < 1.0


def test_it_says_that_there_is_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "nothing.wav")


def test_it_says_that_it_was_given_a_directory(tmp_path: Path) -> None:
    assert "is a directory" in message(tmp_path)


def test_it_says_that_it_may_not_read_the_file(tmp_path: Path) -> None:
    path = wav(tmp_path / "secret.wav")
    path.chmod(0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        assert "permission denied" in message(path)
    finally:
        os.seteuid(was)


def test_it_does_not_wait_for_ever_at_a_named_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert "--input -" in message(path)


def test_it_says_that_the_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    assert "0 bytes" in message(path)


@pytest.mark.parametrize("name", ["notes.txt", "notes.wav", "notes"])
def test_it_says_that_text_is_not_audio(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("Not a sound.\n" * 50)
    assert "not audio in a format known here" in message(path)


def test_it_says_how_raw_pcm_is_given(tmp_path: Path) -> None:
    path = tmp_path / "sound.raw"
    path.write_bytes(bytes(1000))
    assert "--pcm" in message(path)


def test_it_says_that_a_file_has_no_samples(tmp_path: Path) -> None:
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0, np.float32), RATE_HZ)
    assert "holds no sound" in message(path)


def test_it_says_that_a_header_has_no_channels(tmp_path: Path) -> None:
    text = message(wav(tmp_path / "zero.wav", n_channels=0))
    assert "header" in text
    assert "Channel" in text


@pytest.mark.parametrize("rate_hz", [0, 1, 999, 768_001, 2**31 - 1, 2**32 - 1])
def test_it_says_that_a_sample_rate_is_absurd(tmp_path: Path, rate_hz: int) -> None:
    assert "header" in message(wav(tmp_path / "rate.wav", rate_hz=rate_hz))


def test_a_truncated_flac_is_heard_to_where_it_breaks_off_and_then_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.flac"
    whole = np.random.default_rng(2).uniform(-0.5, 0.5, 3 * RATE_HZ).astype(np.float32)
    soundfile.write(path, whole, RATE_HZ, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    blocks, text = until_error(AudioFileSource(path, RATE_HZ))
    samples = joined(blocks)
    assert len(samples) == pytest.approx(1.5 * RATE_HZ, abs=4096 + 1600)
    np.testing.assert_allclose(samples, whole[: len(samples)], atol=1e-4)
    assert f"beyond {len(samples) / RATE_HZ:.2f} s" in text
    assert "\n" not in text


def test_a_flac_that_does_not_know_its_length_is_heard_whole(tmp_path: Path) -> None:
    path = tmp_path / "streamed.flac"
    whole = tone(RATE_HZ, 1.23)
    soundfile.write(path, whole, RATE_HZ, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    np.testing.assert_allclose(joined(read(path)), whole, atol=1e-4)


@pytest.mark.parametrize("suffix", ["wav", "aiff", "au"])
def test_a_file_cut_short_is_heard_as_far_as_it_goes_with_a_warning(
    tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / f"cut.{suffix}"
    soundfile.write(path, tone(RATE_HZ, 2.0), RATE_HZ, subtype="PCM_16")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with caplog.at_level(logging.WARNING):
        assert len(joined(read(path))) == pytest.approx(RATE_HZ, abs=50)
    assert "is cut short" in caplog.text


@pytest.mark.parametrize("n_bytes", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_written_into_a_pipe_is_no_reason_to_warn(
    tmp_path: Path, n_bytes: int, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert len(joined(read(wav(tmp_path / "piped.wav", n_bytes=n_bytes)))) == RATE_HZ
    assert not caplog.records
