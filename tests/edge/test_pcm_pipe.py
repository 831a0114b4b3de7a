from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from source_reading import sounding, until_error

from edge.errors import AudioSourceError, ConfigError
from edge.sources.pcm_pipe import PcmFormat, PcmPipeSource, decode_pcm, parse_pcm_format
from edge.types import AudioBlock, Samples

RATE_HZ = 16000
S16 = PcmFormat("s16le", RATE_HZ, 1)


def python(code: str) -> str:
    return shlex.join([sys.executable, "-c", code])


def noise(n_samples: int) -> Samples:
    return np.random.default_rng(4).uniform(-0.9, 0.9, n_samples).astype(np.float32)


def s16le(samples: Samples) -> bytes:
    return np.round(samples * 32768).astype("<i2").tobytes()


@contextlib.contextmanager
def piped(*pieces: bytes, wait_s: float = 0.0, close: bool = True) -> Iterator[BinaryIO]:
    """The reading end of a pipe into which the pieces are written one by one."""
    reader, writer = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):
            for piece in pieces:
                os.write(writer, piece)
                time.sleep(wait_s)
        if close:
            os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb") as stream:
        yield stream
    thread.join()
    if not close:
        os.close(writer)


def read(origin: BinaryIO | str, pcm: PcmFormat = S16, rate_hz: int = RATE_HZ) -> list[AudioBlock]:
    with PcmPipeSource(origin, pcm, rate_hz) as source:
        return list(sounding(source))


def joined(blocks: list[AudioBlock]) -> Samples:
    position = 0
    for block in blocks:
        assert block.start_sample == position
        assert block.samples.dtype == np.float32
        position += len(block.samples)
    return np.concatenate([block.samples for block in blocks])


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_format_is_read_as_encoding_rate_and_channels() -> None:
    assert parse_pcm_format("s16le:48000:1") == PcmFormat("s16le", 48000, 1)
    assert parse_pcm_format(" F32LE:16000:2 ") == PcmFormat("f32le", 16000, 2)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("s12le:48000:1", "s16le, s16be, s24le, s32le, f32le, u8"),
        ("s16le", "s16le:48000:1"),
        ("s16le:48000", "s16le:48000:1"),
        ("s16le:48k:1", "s16le:48000:1"),
        ("s16le:-48000:1", "s16le:48000:1"),
        ("s16le:48000:1:2", "s16le:48000:1"),
        ("", "s16le:48000:1"),
        ("s16le:999:1", "1000 to 768000 Hz"),
        ("s16le:1000000:1", "1000 to 768000 Hz"),
        ("s16le:48000:0", "1 to 64 channels"),
        ("s16le:48000:65", "1 to 64 channels"),
    ],
)
def test_a_bad_format_is_refused_with_what_would_do(text: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_pcm_format(text)
    assert named in str(caught.value)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("u8", bytes([0, 64, 128, 192])),
        ("s16le", bytes.fromhex("0080 00c0 0000 0040")),
        ("s16be", bytes.fromhex("8000 c000 0000 4000")),
        ("s24le", bytes.fromhex("000080 0000c0 000000 000040")),
        ("s32le", bytes.fromhex("00000080 000000c0 00000000 00000040")),
        ("f32le", np.array([-1.0, -0.5, 0.0, 0.5], "<f4").tobytes()),
    ],
)
def test_every_encoding_spans_minus_one_to_one(encoding: str, data: bytes) -> None:
    np.testing.assert_array_equal(
        decode_pcm(data, PcmFormat(encoding, RATE_HZ, 1)), np.array([-1.0, -0.5, 0.0, 0.5], np.float32)
    )
    np.testing.assert_array_equal(
        decode_pcm(data, PcmFormat(encoding, RATE_HZ, 2)), np.array([-0.75, 0.25], np.float32)
    )


def test_samples_survive_however_the_writer_cuts_them() -> None:
    samples = noise(2000)
    data = s16le(samples)
    cuts = np.sort(np.random.default_rng(7).integers(0, len(data), 60)).tolist()
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    with piped(*pieces, wait_s=0.001) as stream:
        heard = joined(read(stream))
    np.testing.assert_allclose(heard, samples, atol=1 / 65536)


def test_a_slow_reader_loses_nothing() -> None:
    samples = noise(80000)
    with piped(s16le(samples)) as stream, PcmPipeSource(stream, S16, RATE_HZ) as source:
        blocks = []
        for block in sounding(source):
            time.sleep(0.005)
            blocks.append(block)
        assert source.dropped_samples == 0
    np.testing.assert_allclose(joined(blocks), samples, atol=1 / 65536)


def test_another_rate_is_resampled_to_the_encoders() -> None:
    with piped(s16le(noise(48000)), s16le(noise(24000))) as stream:
        assert len(joined(read(stream, PcmFormat("s16le", 48000, 1)))) == pytest.approx(24000, abs=1)


def test_a_regular_file_as_standard_input_is_read_to_its_end_without_capture_times(tmp_path: Path) -> None:
    (tmp_path / "sound").write_bytes(s16le(noise(5000)))
    with (tmp_path / "sound").open("rb") as stream:
        blocks = read(stream)
    assert len(joined(blocks)) == 5000
    assert {block.captured_unix_s for block in blocks} == {None}


def test_what_comes_in_is_passed_on_without_waiting_for_more() -> None:
    with (
        piped(s16le(noise(160)), close=False) as stream,
        PcmPipeSource(stream, S16, RATE_HZ) as source,
    ):
        began_s = time.monotonic()
        assert len(next(sounding(source)).samples) == 160
        assert time.monotonic() - began_s < 1.0


@pytest.mark.parametrize("n_extra", [1, 3])
def test_an_end_within_a_sample_is_named_after_all_whole_ones_were_heard(n_extra: int) -> None:
    with piped(s16le(noise(4000)) + bytes(n_extra)) as stream:
        blocks, text = until_error(PcmPipeSource(stream, PcmFormat("s16le", RATE_HZ, 2), RATE_HZ))
    assert len(joined(blocks)) == 2000
    assert text == f"standard input ended in the middle of a sample ({n_extra} of 4 bytes): check --pcm"


def test_an_empty_standard_input_is_an_error() -> None:
    with piped() as stream, pytest.raises(AudioSourceError, match="standard input ended without any sound"):
        read(stream)


def test_a_directory_as_standard_input_is_an_error(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    writer = os.open(os.devnull, os.O_WRONLY)
    with os.fdopen(writer, "wb") as stream:
        os.dup2(folder, writer)
        os.close(folder)
        with pytest.raises(AudioSourceError, match=r"standard input cannot be read: .*Is a directory"):
            read(stream)


def test_stop_ends_a_wait_for_sound_that_never_comes() -> None:
    with piped(close=False) as stream, PcmPipeSource(stream, S16, RATE_HZ) as source:
        threading.Timer(0.1, source.stop).start()
        began_s, cpu_s = time.monotonic(), time.process_time()
        assert list(sounding(source)) == []
        assert time.monotonic() - began_s < 1.0
        assert time.process_time() - cpu_s < 0.1


def test_a_commands_sound_is_heard_and_timed() -> None:
    before_s = time.time()
    blocks = read(python("import sys; sys.stdout.buffer.write(bytes(8000))"))
    assert len(joined(blocks)) == 4000
    for block in blocks:
        assert block.captured_unix_s is not None
        assert before_s - 0.3 <= block.captured_unix_s <= time.time()


def test_a_command_is_split_into_words_but_run_without_a_shell(tmp_path: Path) -> None:
    (tmp_path / "a sound").write_bytes(s16le(noise(500)))
    assert len(joined(read(f"cat '{tmp_path}/a sound'"))) == 500
    with pytest.raises(AudioSourceError, match=r"No such file"):
        read(f"cat '{tmp_path}/a sound' | cat")


def test_a_command_that_dies_is_named_with_its_status_and_last_words() -> None:
    code = (
        "import sys; sys.stdout.buffer.write(bytes(2001)); sys.stdout.flush();"
        "sys.stderr.write('opening\\rprogress\\nno such card\\n'); sys.exit(3)"
    )
    blocks, text = until_error(PcmPipeSource(python(code), S16, RATE_HZ))
    assert len(joined(blocks)) == 1000
    assert text == f"input command {sys.executable!r} died with exit status 3: no such card"


def test_a_command_that_is_killed_is_named_with_its_signal() -> None:
    with pytest.raises(AudioSourceError, match=r"died with signal 9 \(Killed\): it said nothing"):
        read(python("import os; os.kill(os.getpid(), 9)"))


def test_a_command_that_ends_well_without_sound_is_an_error() -> None:
    with pytest.raises(AudioSourceError, match="true ended without any sound"):
        read("true")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("no-such-program-here --x", "'no-such-program-here' was not found"),
        ("/tmp", "'/tmp' cannot be run"),  # noqa: S108
        ("cat 'unclosed", "cannot be split into words"),
        ("  ", "is empty"),
    ],
)
def test_a_command_that_cannot_be_started_is_named(line: str, says: str) -> None:
    with pytest.raises(AudioSourceError, match=says) as caught:
        read(line)
    assert "\n" not in str(caught.value)


def test_a_command_that_says_much_on_its_standard_error_is_not_held_up() -> None:
    code = "import sys; sys.stderr.write('x' * 1000000); sys.stdout.buffer.write(bytes(2000))"
    assert len(joined(read(python(code)))) == 1000


def test_stop_ends_a_command_that_never_speaks_and_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    source = PcmPipeSource(f"sh -c 'sleep 300 & echo $$ $! > {pids}; wait'", S16, RATE_HZ)
    began_s = time.monotonic()
    with source:
        threading.Timer(0.5, source.stop).start()
        assert list(sounding(source)) == []
    assert time.monotonic() - began_s < 2.0
    # A signal takes its time on a machine that is busy.
    until_s = time.monotonic() + 5.0
    while any(is_running(int(pid)) for pid in pids.read_text().split()) and time.monotonic() < until_s:
        time.sleep(0.02)
    assert [is_running(int(pid)) for pid in pids.read_text().split()] == [False, False]


def test_a_command_that_ignores_being_asked_to_end_is_ended_all_the_same() -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "sys.stdout.buffer.write(bytes(2000)); sys.stdout.flush(); time.sleep(300)"
    )
    began_s = time.monotonic()
    with PcmPipeSource(python(code), S16, RATE_HZ) as source:
        assert next(sounding(source)).start_sample == 0
    assert time.monotonic() - began_s < 5.0


def test_ctrl_c_ends_the_wait_for_sound() -> None:
    with piped(close=False) as stream, PcmPipeSource(stream, S16, RATE_HZ) as source:
        was = signal.signal(signal.SIGINT, lambda *_: source.stop())
        try:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
            began_s = time.monotonic()
            assert list(sounding(source)) == []
            assert time.monotonic() - began_s < 1.0
        finally:
            signal.signal(signal.SIGINT, was)


def test_its_reader_gets_a_turn_while_nothing_comes() -> None:
    with piped(close=False) as stream, PcmPipeSource(stream, S16, RATE_HZ) as source:
        blocks = source.blocks()
        assert [next(blocks), next(blocks)] == [None, None]


def counting_command(tmp_path: Path) -> str:
    """It notes each start in a file, writes 1000 samples and then nothing for ever."""
    code = (
        f"import sys, time; open({str(tmp_path / 'starts')!r}, 'a').write('x');"
        "sys.stdout.buffer.write(bytes(2000)); sys.stdout.flush(); time.sleep(300)"
    )
    return python(code)


def test_opened_anew_a_command_is_started_again_and_its_sound_stands_behind_a_gap(tmp_path: Path) -> None:
    with PcmPipeSource(counting_command(tmp_path), S16, RATE_HZ) as source:
        blocks = sounding(source)
        first = [next(blocks)]
        while sum(len(block.samples) for block in first) < 1000:
            first.append(next(blocks))
        began_s = time.monotonic()
        source.reopen()
        behind = next(blocks)
        missed_s = time.monotonic() - began_s
        source.stop()
        assert list(blocks) == []
    joined(first)
    assert (tmp_path / "starts").read_text() == "xx"
    # It took the time until the command was ended, no less than one turn without sound.
    assert 1000 < behind.start_sample <= 1000 + missed_s * RATE_HZ + RATE_HZ
    assert behind.captured_unix_s is not None


def test_opened_anew_within_a_sample_the_next_start_begins_with_a_whole_one(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        f"import os, sys, time; again = os.path.exists({str(mark)!r}); open({str(mark)!r}, 'w').close();"
        "sys.stdout.buffer.write(b'\\x00\\x40' * 500 if again else bytes(1001));"
        "sys.stdout.flush(); time.sleep(300)"
    )
    with PcmPipeSource(python(code), S16, RATE_HZ) as source:
        blocks = sounding(source)
        assert len(next(blocks).samples) == 500
        source.reopen()
        np.testing.assert_array_equal(next(blocks).samples, np.full(500, 0.5, np.float32))


def test_standard_input_stays_what_it_is_when_it_should_be_opened_anew() -> None:
    reader, writer = os.pipe()
    samples = noise(1000)
    with os.fdopen(reader, "rb") as stream, PcmPipeSource(stream, S16, RATE_HZ) as source:
        blocks = sounding(source)
        os.write(writer, s16le(samples[:500])[:-1])
        heard = [next(blocks)]
        source.reopen()
        os.write(writer, s16le(samples)[999:])
        os.close(writer)
        heard += list(blocks)
    np.testing.assert_allclose(joined(heard), samples, atol=1 / 65536)


def test_stop_wins_over_opening_anew(tmp_path: Path) -> None:
    with PcmPipeSource(counting_command(tmp_path), S16, RATE_HZ) as source:
        blocks = sounding(source)
        next(blocks)
        source.reopen()
        source.stop()
        assert list(blocks) == []
    assert (tmp_path / "starts").read_text() == "x"


def test_a_password_in_the_commands_address_does_not_get_into_events() -> None:
    source = PcmPipeSource("ffmpeg -i rtsp://admin:hunter2@camera/1 -f s16le -", S16, RATE_HZ)
    assert source.name == "ffmpeg -i rtsp://***@camera/1 -f s16le -"
