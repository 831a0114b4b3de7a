"""Sirens, an alarm, bells, knocks, a dog, a fan and a quiet room, each made as the real one is.

Every function takes a sample rate in Hz, a duration in seconds and a generator for what differs from one time
to the next, and returns (n_samples,) float64 of unit RMS, longer than the duration by the last echo.
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator

from edge.synthesis.signals import (
    Signal,
    add,
    coloured_noise,
    ends_faded,
    harmonics,
    seconds,
    smoothed,
    unit,
    with_echoes,
)


def hi_lo_siren(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """Two horns a fourth apart by turns (435 and 580 Hz, 0.6 s each), coming nearer down a street."""
    t_s = seconds(duration_s, rate_hz)
    pitch_hz = np.where(t_s % 1.2 < 0.6, 435.0, 580.0)
    horn = harmonics(pitch_hz, rate_hz, resonances=((1150.0, 700.0), (2400.0, 900.0)), slope=0.8)
    nearing = 10.0 ** (-8.0 * (1.0 - t_s / duration_s) / 20.0)
    return _in_the_street(unit(horn) * nearing, rate_hz, rng, traffic=0.2)


def wail_siren(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """An electronic siren through a horn, driving off: 650 to 1500 Hz, up in 1.2 s, down in 2 s."""
    t_s = seconds(duration_s, rate_hz)
    phase_s = t_s % 3.2
    falling_s = np.maximum(phase_s - 1.2, 0.0)
    height = np.where(phase_s < 1.2, 1.0 - np.exp(-phase_s / 0.4), np.exp(-falling_s / 0.8))
    pitch_hz = 650.0 * (1500.0 / 650.0) ** height
    horn = harmonics(pitch_hz, rate_hz, resonances=((1300.0, 900.0), (2700.0, 1000.0)), slope=1.0)
    leaving = 10.0 ** (-25.0 * np.clip(t_s / duration_s * 2.0 - 1.0, 0.0, 1.0) / 20.0)
    return _in_the_street(unit(horn) * leaving, rate_hz, rng, traffic=0.1)


def clock_alarm(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """A quartz alarm clock: a piezo disc driven by pulses at 2048 Hz, four short beeps each second."""
    t_s = seconds(duration_s, rate_hz)
    on = (t_s % 1.0 < 0.5) & (t_s % 0.125 < 0.07)
    # The disc takes some milliseconds to swing up and to die away.
    swing = smoothed(on.astype(np.float64), round(0.003 * rate_hz))
    tone = harmonics(np.full(len(t_s), 2048.0), rate_hz, resonances=(), slope=0.8)
    return with_echoes(tone * swing, rate_hz, rng, decay_s=0.3, level=0.35)


_BELL_PARTIALS = (
    (0.5, 0.15, 14.0), (1.0, 0.6, 8.0), (1.183, 0.95, 7.0), (1.506, 0.4, 4.0), (2.0, 1.25, 5.0),
    (2.514, 0.6, 2.6), (2.662, 0.5, 2.2), (3.011, 1.0, 2.4), (4.166, 0.75, 1.6), (5.433, 0.6, 1.1),
    (6.796, 0.45, 0.8), (8.215, 0.35, 0.5), (10.2, 0.2, 0.35),
)  # fmt: skip
"""Hum, prime, minor third, fifth, nominal and above: ratio to the prime, level, seconds to fall by 60 dB."""


def church_bells(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """Four church bells rung in turn, some way off: as much echo as bell.

    The peal is faded out in its last half second.
    """
    peal = np.zeros(round(duration_s * rate_hz))
    for number in range(round(duration_s / 0.6)):
        start = round((0.6 * number + float(rng.uniform(0.0, 0.1))) * rate_hz)
        prime_hz = (349.0, 392.0, 440.0, 523.0)[number % 4]
        add(peal, _bell(rate_hz, prime_hz, len(peal) / rate_hz, rng), start)
    fading = np.minimum(1.0, np.arange(len(peal))[::-1] / (0.5 * rate_hz))
    return _in_the_street(unit(peal) * fading, rate_hz, rng, traffic=0.1, echo_s=1.5, echo_level=1.0)


def _bell(rate_hz: int, prime_hz: float, duration_s: float, rng: Generator) -> Signal:
    """One stroke: the clapper's thud, and partials that each beat, as no bell is quite round."""
    t_s = seconds(duration_s, rate_hz)
    stroke = 0.8 * rng.standard_normal(len(t_s)) * np.exp(-t_s / 0.006)
    for ratio, strength, decay_s in _BELL_PARTIALS:
        level = strength * ratio**0.4  # a hard clapper
        apart_hz = float(rng.uniform(0.2, 1.2))
        for hz in (prime_hz * ratio - apart_hz / 2, prime_hz * ratio + apart_hz / 2):
            ringing = np.sin(2.0 * np.pi * hz * t_s + float(rng.uniform(0.0, 2.0 * np.pi)))
            stroke += level * 10.0 ** (-3.0 * t_s / decay_s) * ringing
    return stroke


def door_knock(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """Knuckles on a wooden door, three at a time: a faint click and the panel's low, quickly damped modes."""
    modes_hz = 115.0 * 1.4 ** np.arange(9) * (1.0 + 0.05 * rng.standard_normal(9))
    knocks = np.zeros(round(duration_s * rate_hz))
    start_s = 0.05
    while start_s < duration_s - 0.6:
        for _ in range(3):
            add(knocks, _knock(rate_hz, modes_hz, rng), round(start_s * rate_hz))
            start_s += float(rng.uniform(0.2, 0.25))
        start_s += 0.45
    return with_echoes(knocks, rate_hz, rng, decay_s=0.4, level=0.35)


def _knock(rate_hz: int, modes_hz: Signal, rng: Generator) -> Signal:
    t_s = seconds(0.3, rate_hz)
    knock = 0.05 * rng.standard_normal(len(t_s)) * np.exp(-t_s / 0.0025)
    for number, mode_hz in enumerate(modes_hz):
        damped = np.exp(-t_s / (0.02 * np.sqrt(modes_hz[0] / mode_hz)))
        knock += 0.6**number * float(rng.uniform(0.5, 1.0)) * damped * np.sin(2.0 * np.pi * mode_hz * t_s)
    return knock * float(rng.uniform(0.75, 1.0))


def dog_bark(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """A dog of middling size, in barks of a fifth of a second with pauses."""
    barks = np.zeros(round(duration_s * rate_hz))
    start_s = 0.05
    while start_s < duration_s - 0.3:
        length_s = float(rng.uniform(0.16, 0.22))
        add(barks, _bark(rate_hz, length_s, rng), round(start_s * rate_hz))
        start_s += length_s + float(rng.choice([0.25, 0.35, 0.6]))
    return with_echoes(barks, rate_hz, rng, decay_s=0.4, level=0.25)


def _bark(rate_hz: int, length_s: float, rng: Generator) -> Signal:
    """A voice that jumps from 430 to 650 Hz and back, unsteady, with a subharmonic in its second half."""
    place = np.linspace(0.0, 1.0, round(length_s * rate_hz))
    unsteady = 1.0 + 0.06 * unit(smoothed(rng.standard_normal(len(place)), round(0.003 * rate_hz)))
    arch = 430.0 + 220.0 * np.sin(np.pi * place**0.8)
    pitch_hz = float(rng.uniform(0.95, 1.05)) * arch * unsteady
    mouth = ((600.0, 250.0), (1150.0, 300.0), (2300.0, 500.0))
    voice = unit(harmonics(pitch_hz, rate_hz, resonances=mouth, slope=1.0))
    half_phase = np.pi * np.cumsum(pitch_hz) / rate_hz
    voice *= 1.0 + 0.3 * np.sin(half_phase + 1.0) * (place > 0.3)
    rising = np.sin(0.5 * np.pi * np.minimum(place / 0.35, 1.0)) ** 2
    falling = np.cos(0.5 * np.pi * np.clip((place - 0.35) / 0.65, 0.0, 1.0))
    return np.asarray(voice * rising * np.maximum(falling, 0.0) ** 1.5 * rng.uniform(0.8, 1.0))


def fan(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """A room fan: noise that falls by 6 dB an octave above some hundred hertz, and a faint 50 Hz hum."""
    air = coloured_noise(round(duration_s * rate_hz), rate_hz, rng, low_hz=60.0, high_hz=500.0)
    hum = np.sin(2.0 * np.pi * 50.0 * seconds(duration_s, rate_hz))
    hum += 0.7 * np.sin(2.0 * np.pi * 100.0 * seconds(duration_s, rate_hz))
    return unit(air + 0.15 * hum)


def quiet_room(rate_hz: int, duration_s: float, rng: Generator) -> Signal:
    """The noise of a quiet room and its microphone, mostly low."""
    return coloured_noise(round(duration_s * rate_hz), rate_hz, rng, low_hz=30.0, high_hz=400.0)


def _in_the_street(
    sound: Signal,
    rate_hz: int,
    rng: Generator,
    *,
    traffic: float,
    echo_s: float = 0.8,
    echo_level: float = 0.5,
) -> Signal:
    """Echoes from the house fronts and the rumble of distant traffic, which reaches a microphone with it."""
    rumble = coloured_noise(len(sound), rate_hz, rng, low_hz=60.0, high_hz=500.0)
    # It must not begin and end with the sound like a switch.
    rumble *= ends_faded(len(sound), round(0.3 * rate_hz))
    return with_echoes(sound + traffic * rumble, rate_hz, rng, decay_s=echo_s, level=echo_level)
