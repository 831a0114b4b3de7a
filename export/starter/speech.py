"""Generated speech: one speaker, a dialogue, or the babble of many, by espeak-ng and flite.

Every voice is a language read in a timbre. Held-out sound uses held-out languages in held-out timbres only,
training neither; its halves share neither. Other languages than English read made-up words: what matters
here is how speech sounds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.random import Generator

from edge.types import Samples
from export.starter.augment import colour, reverberate, rms
from export.starter.parts import Part
from export.starter.programs import SAMPLE_RATE_HZ, read_made, run_program

LANGUAGES = (
    "en-us", "en-us", "en-gb-scotland", "en-029", "en-gb-x-gbclan", "de", "fr-fr", "es", "it", "pt-br", "nl",
    "sv", "nb", "pl", "cs", "hr", "fi", "et", "tr", "sw", "ms", "vi", "cmn-latn-pinyin", "eu",
)  # fmt: skip
"""espeak-ng's languages for training; one named twice is drawn twice as often."""
HELDOUT_LANGUAGES = ("en-gb", "en-gb-x-rp", "da", "hu", "ro", "ca", "id", "lv", "cy")
CALIBRATION_LANGUAGES = ("en-gb", "da", "ro", "id")
"""Of the held-out ones, those of the half for calibration; the others are for tests. Likewise below."""
TIMBRES = (
    "m1", "m2", "m3", "m4", "m6", "m7", "f1", "f2", "f4", "klatt", "klatt2", "klatt4", "Alex", "Andy",
    "Alicia", "Gene", "Hugo", "Denis", "belinda", "benjamin", "caleb", "david", "grandpa", "iven", "john",
    "max", "paul", "rob", "steph", "travis", "victor", "whisper",
)  # fmt: skip
"""espeak-ng's variants of a voice for training. Its robots and croaks are left out."""
HELDOUT_TIMBRES = (
    "m5", "m8", "f3", "f5", "klatt3", "linda", "Michael", "michel", "grandma", "ed", "whisperf",
)  # fmt: skip
CALIBRATION_TIMBRES = ("m5", "f3", "klatt3", "linda", "michel", "whisperf")
FLITE_VOICES = ("kal16", "awb", "slt")
HELDOUT_FLITE_VOICES = ("rms",)
"""There is but one, which goes to calibration: the half for tests is espeak-ng's alone."""

_ENGLISH_WORDS = """
the a this that my your our some and but so then when if because please maybe today tomorrow never always
again here there people morning kitchen window garden water coffee letter number street market doctor
weather summer machine question answer money paper music children mother brother station village river
bring take found know think said want need look wait open close carry listen remember finish begin happen
is are was were will would could should can little good early heavy quiet yellow seven twelve hundred
really only about over under between before after with without into
"""
_ENGLISH = _ENGLISH_WORDS.split()
_STARTS = (
    "b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "tr", "st", "pl", "sh", "z", "",
)  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "a", "e", "ai", "ou", "ia")
_ENDS = ("", "", "", "n", "r", "s", "l", "t", "m", "k")


@dataclass(frozen=True)
class Voice:
    """Who speaks.

    Attributes:
        program: "espeak-ng" or "flite".
        language: espeak-ng's name of it; "en-us" for flite.
        timbre: espeak-ng's variant, or flite's voice.
    """

    program: str
    language: str
    timbre: str

    @property
    def name(self) -> str:
        """As shown in a clip's source: "espeak-ng fi+m3", "flite slt"."""
        if self.program == "flite":
            return f"flite {self.timbre}"
        return f"espeak-ng {self.language}+{self.timbre}"


def voices(part: Part) -> list[Voice]:
    """Every voice of a part."""
    languages, timbres, flite_voices = _names(part)
    spoken = [Voice("espeak-ng", language, timbre) for language in languages for timbre in timbres]
    return spoken + [Voice("flite", "en-us", timbre) for timbre in flite_voices]


def _names(part: Part) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Languages, timbres and flite's voices."""
    if part == "train":
        return LANGUAGES, TIMBRES, FLITE_VOICES
    if part == "heldout":
        return HELDOUT_LANGUAGES, HELDOUT_TIMBRES, HELDOUT_FLITE_VOICES
    if part == "calibration":
        return CALIBRATION_LANGUAGES, CALIBRATION_TIMBRES, HELDOUT_FLITE_VOICES
    return (
        [language for language in HELDOUT_LANGUAGES if language not in CALIBRATION_LANGUAGES],
        [timbre for timbre in HELDOUT_TIMBRES if timbre not in CALIBRATION_TIMBRES],
        (),
    )


def speech_clips(n_samples: int, rngs: Sequence[Generator], part: Part) -> Iterator[tuple[str, Samples]]:
    """One clip for each generator: its voices' names and (n_samples,) float32, of no level in particular.

    Raises: ProgramError if espeak-ng or flite is missing.
    """
    with TemporaryDirectory() as directory:
        for rng in rngs:
            kind = rng.choice(["one", "dialogue", "babble"], p=[0.45, 0.2, 0.35])
            n_speakers = {"one": 1, "dialogue": 2, "babble": int(rng.integers(3, 9))}[kind]
            cast = [_draw_voice(rng, part) for _ in range(n_speakers)]
            parts = [_speak(voice, n_samples, Path(directory) / "speech.wav", rng) for voice in cast]
            if kind == "dialogue":
                parts = _take_turns(parts, rng)
            scene = np.sum([part * 10.0 ** (rng.uniform(-8.0, 0.0) / 20.0) for part in parts], axis=0)
            yield f"{kind}: {', '.join(voice.name for voice in cast)}", _place(scene.astype(np.float32), rng)


def _draw_voice(rng: Generator, part: Part) -> Voice:
    # flite joins recorded or trained human speech where espeak-ng is all formants: worth a quarter of all.
    program = "flite" if rng.random() < 0.25 and part != "test" else "espeak-ng"
    choice = [voice for voice in voices(part) if voice.program == program]
    return choice[int(rng.integers(len(choice)))]


def _speak(voice: Voice, n_samples: int, path: Path, rng: Generator) -> Samples:
    """(n_samples,) float32 of unit RMS."""
    words_per_minute = rng.uniform(120.0, 240.0)
    n_words = int(1.5 * words_per_minute / 60.0 * n_samples / SAMPLE_RATE_HZ) + 8
    text = _text(voice.language, n_words, rng)
    if voice.program == "flite":
        slowness = f"duration_stretch={175.0 / words_per_minute:.2f}"
        pitch = f"int_f0_target_mean={rng.uniform(85, 220):.0f}"
        command = ["flite", "-voice", voice.timbre, "--setf", slowness, "--setf", pitch]
        run_program([*command, "-t", text, "-o", str(path)])
    else:
        pitch, speed = str(rng.integers(20, 85)), str(int(words_per_minute))
        command = ["espeak-ng", "-v", f"{voice.language}+{voice.timbre}", "-s", speed, "-p", pitch]
        run_program([*command, "-w", str(path), text])
    speech = read_made(path)
    start = int(rng.integers(0, max(len(speech) - n_samples, 0) + 1))
    spoken = np.resize(speech[start:], n_samples)
    return np.asarray(spoken / rms(spoken), np.float32)


def _text(language: str, n_words: int, rng: Generator) -> str:
    words = []
    left_in_sentence = 0
    for _ in range(n_words):
        word = str(rng.choice(_ENGLISH)) if language.startswith("en") else _made_up(rng)
        left_in_sentence -= 1
        if left_in_sentence <= 0:
            left_in_sentence = int(rng.integers(3, 13))
            word += str(rng.choice([".", ".", "?", "!", ","]))
        words.append(word)
    return " ".join(words)


def _made_up(rng: Generator) -> str:
    n_syllables = int(rng.choice([1, 2, 2, 3, 4]))
    syllables = [str(rng.choice(_STARTS)) + str(rng.choice(_VOWELS)) for _ in range(n_syllables)]
    return "".join(syllables) + str(rng.choice(_ENDS))


def _take_turns(parts: Sequence[Samples], rng: Generator) -> list[Samples]:
    """Silence all speakers but one, for one to four seconds a turn."""
    turns = [np.zeros_like(part) for part in parts]
    start, speaker = 0, 0
    while start < len(parts[0]):
        end = start + int(rng.uniform(1.0, 4.0) * SAMPLE_RATE_HZ)
        turns[speaker][start:end] = parts[speaker][start:end]
        start, speaker = end + int(rng.uniform(0.0, 0.6) * SAMPLE_RATE_HZ), (speaker + 1) % len(parts)
    return turns


def _place(scene: Samples, rng: Generator) -> Samples:
    """Put half of the scenes into a room, and half behind a loudspeaker's or a wall's frequency response."""
    if rng.random() < 0.5:
        scene = reverberate(scene, rng)
    if rng.random() < 0.5:
        scene = colour(scene, rng)
    return scene
