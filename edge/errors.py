"""Every error that edge-listen raises on purpose: one base, so that a caller can catch them all.

A message is one line for a person: what was wrong, where, and what to do.
"""


class SoundError(Exception):
    """Base of all errors here. `exit_code` is what a command-line program ends with."""

    exit_code = 1


class ConfigError(SoundError, ValueError):
    """A setting is unknown, of the wrong type, or out of range."""

    exit_code = 2


class LabelError(SoundError, LookupError):
    """A label asked for is not one of the bundle's."""

    exit_code = 2


class BundleError(SoundError, ValueError):
    """A bundle is missing, damaged, or not made for this version."""

    exit_code = 3


class EncoderError(SoundError, RuntimeError):
    """The encoder cannot be run here, or yielded something that is not an embedding."""

    exit_code = 4


class AudioSourceError(SoundError, OSError):
    """Sound cannot be had: no such file, no microphone, a format that is not audio."""

    exit_code = 5


class SinkError(SoundError, OSError):
    """An event cannot be delivered."""

    exit_code = 6


class RefusedError(SinkError):
    """An event was refused for what it is, so that trying again would not help."""


def first_line(error: BaseException) -> str:
    """What another's error says, as a part of a message."""
    return one_line((str(error).splitlines() or [type(error).__name__])[0])


def one_line(text: str) -> str:
    """Text of others as a part of a message: printable, and no longer than a message should be."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)[:200]
