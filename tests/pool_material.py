"""Recordings and encoders for the pool's tests.

Run as a program, with a pool, a cache and the seconds that a window takes, it embeds slowly, to be disturbed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from fakes import SMALL_LOG_MEL, BandEncoder

from edge.errors import SoundError
from edge.types import Embedding, LogMel, Samples
from export.pool.cache import EmbeddingCache
from export.pool.embed import PoolEmbeddings, embed_pool
from export.pool.recordings import find_recordings
from export.pool.windows import WindowSettings
from export.pool.workers import PoolEncoder

SETTINGS = WindowSettings(SMALL_LOG_MEL, window_s=2.0, clip_s=4.0)
RATE_HZ = SMALL_LOG_MEL.sample_rate_hz


@dataclass
class CountingEncoder:
    """Hears pitch, and counts the windows it was given.

    Attributes:
        sha256: what it is known by.
        interrupted_at: the window, counted from 1, at which Ctrl-C is pressed.
        seconds: that each window takes.
    """

    sha256: str = "a" * 64
    interrupted_at: int | None = None
    seconds: float = 0.0
    heard: list[LogMel] = field(default_factory=list)

    def encode(self, log_mel: LogMel) -> Embedding:
        self.heard.append(log_mel)
        if len(self.heard) == self.interrupted_at:
            raise KeyboardInterrupt
        time.sleep(self.seconds)
        embedding = BandEncoder().encode(log_mel)
        # Each encoder has a space of its own.
        return np.roll(embedding, int(self.sha256[0], 16))


def noise(seconds: float, seed: int, rate_hz: int = RATE_HZ) -> Samples:
    rng = np.random.default_rng(seed)
    return (0.1 * rng.standard_normal(round(seconds * rate_hz))).astype(np.float32)


def write(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate_hz)
    return path


def write_noises(folder: Path, n_recordings: int, seconds: float = 2.0) -> Path:
    """Recordings 00.wav, 01.wav …, all different."""
    for number in range(n_recordings):
        write(folder / f"{number:02d}.wav", noise(seconds, seed=number))
    return folder


def embed(pool: Path, cache: Path, encoders: Iterable[PoolEncoder], n_workers: int = 1) -> PoolEmbeddings:
    """Embed a folder; encoders are called "0", "1" …."""
    with closing(EmbeddingCache(cache)) as store:
        named = {str(number): encoder for number, encoder in enumerate(encoders)}
        return embed_pool(find_recordings(pool), named, SETTINGS, store, n_workers=n_workers)


def main() -> int:
    pool, cache, seconds = sys.argv[1:]
    if "LARGEST_FILE_BYTES" in os.environ:
        import resource  # noqa: PLC0415 - for this test alone

        largest = int(os.environ["LARGEST_FILE_BYTES"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    encoder = CountingEncoder(seconds=float(seconds))
    print("ready", flush=True)
    try:
        embedded = embed(Path(pool), Path(cache), [encoder], n_workers=2)
    except SoundError as error:
        print(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        print(f"interrupted {len(encoder.heard)}")
        return 130
    print(f"done {len(encoder.heard)} {len(embedded.recordings)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
