"""The fifty labels as a person would say them, in order of ESC-50's targets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """One label.

    Attributes:
        dataset_name: ESC-50's category.
        name: what the program prints.
        aliases: what else a person may type.
        rivals_group: kin that must not veto one another; None for a label that has none.
    """

    dataset_name: str
    name: str
    aliases: tuple[str, ...] = ()
    rivals_group: str | None = None


VOCABULARY = (
    Word("dog", "dog bark", ("bark", "barking", "dog barking", "woof")),
    Word("rooster", "rooster", ("cock crow", "cockerel", "rooster crowing"), "birds"),
    Word("pig", "pig", ("oink", "pig grunt", "pig grunting"), "farm animals"),
    Word("cow", "cow", ("moo", "cow moo", "cow mooing", "cattle"), "farm animals"),
    Word("frog", "frog", ("croak", "frog croak", "frog croaking", "toad")),
    Word("cat", "cat meow", ("meow", "miaow", "cat meowing")),
    Word("hen", "hen", ("chicken", "cluck", "hen clucking"), "birds"),
    Word("insects", "insect buzz", ("insect", "buzzing", "fly", "bee", "flying insect"), "insects"),
    Word("sheep", "sheep", ("bleat", "sheep bleating", "baa"), "farm animals"),
    Word("crow", "crow", ("caw", "crow cawing", "raven"), "birds"),
    Word("rain", "rain", ("raining", "rainfall"), "water"),
    Word("sea_waves", "sea waves", ("sea", "ocean", "waves", "surf"), "water"),
    Word("crackling_fire", "crackling fire", ("fire", "fireplace", "campfire", "fire crackling")),
    Word("crickets", "crickets", ("chirping crickets", "cricket chirp"), "insects"),
    Word(
        "chirping_birds", "birdsong", ("bird", "bird song", "birds chirping", "bird chirp", "tweet"), "birds"
    ),
    Word(
        "water_drops",
        "water drops",
        ("dripping", "dripping tap", "dripping water", "water dripping"),
        "water",
    ),
    Word("wind", "wind", ("wind blowing", "gale"), "weather"),
    Word("pouring_water", "pouring water", ("water pouring", "running water", "tap"), "water"),
    Word("toilet_flush", "toilet flush", ("flush", "toilet", "toilet flushing"), "water"),
    Word("thunderstorm", "thunder", ("storm", "thunder storm", "thunder clap"), "water"),
    Word("crying_baby", "baby cry", ("baby", "crying", "baby crying", "infant cry")),
    Word("sneezing", "sneeze", ("achoo",), "mouth"),
    Word("clapping", "clapping", ("applause", "clap", "hand clapping")),
    Word("breathing", "breathing", ("breath", "heavy breathing"), "mouth"),
    Word("coughing", "cough", ("coughing fit",), "mouth"),
    Word("footsteps", "footsteps", ("walking", "steps", "footfall")),
    Word("laughing", "laughter", ("laugh",), "mouth"),
    Word("brushing_teeth", "brushing teeth", ("toothbrush", "tooth brushing", "teeth brushing")),
    Word("snoring", "snoring", ("snore",), "mouth"),
    Word("drinking_sipping", "drinking", ("sip", "sipping", "slurp"), "mouth"),
    Word("door_wood_knock", "door knock", ("knock", "knocking", "knock on the door", "door knocking")),
    Word("mouse_click", "mouse click", ("click", "mouse clicking"), "clicks"),
    Word("keyboard_typing", "keyboard typing", ("typing", "keyboard", "computer keyboard"), "clicks"),
    Word("door_wood_creaks", "door creak", ("creak", "creaking door", "door creaking", "squeaky door")),
    Word("can_opening", "can opening", ("opening a can", "can opened", "tin can")),
    Word("washing_machine", "washing machine", ("washer", "laundry"), "motors"),
    Word("vacuum_cleaner", "vacuum cleaner", ("vacuum", "hoover", "vacuuming"), "motors"),
    Word("clock_alarm", "clock alarm", ("alarm clock", "alarm", "alarm beep", "beeping"), "alarms"),
    Word("clock_tick", "clock tick", ("clock", "ticking", "clock ticking", "tick tock")),
    Word(
        "glass_breaking",
        "glass breaking",
        ("breaking glass", "broken glass", "glass", "shatter", "glass smash"),
    ),
    Word("helicopter", "helicopter", ("chopper",), "motors"),
    Word("chainsaw", "chainsaw", ("chain saw",), "motors"),
    Word("siren", "siren", ("ambulance", "police siren", "fire engine", "emergency vehicle"), "alarms"),
    Word("car_horn", "car horn", ("horn", "honk", "honking", "beep of a car"), "alarms"),
    Word("engine", "engine", ("motor", "car engine", "engine idling"), "motors"),
    Word("train", "train", ("railway", "train passing"), "motors"),
    Word("church_bells", "church bells", ("bells", "church bell", "bell ringing")),
    Word("airplane", "airplane", ("aeroplane", "plane", "aircraft", "jet"), "motors"),
    Word("fireworks", "fireworks", ("firework", "firecracker")),
    Word("hand_saw", "hand saw", ("saw", "sawing", "handsaw")),
)
