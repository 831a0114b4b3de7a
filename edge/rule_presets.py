"""What a person chose, a preset and the bundle's defaults → the rule of a label."""

from __future__ import annotations

import math
from dataclasses import replace

from edge.config import RuleSettings
from edge.manifest_entries import RuleDefaults
from edge.settings import Preset
from edge.trigger_rule import TriggerRule

_PAUSE_S = 3.0


def preset_settings(preset: Preset, window_s: float, hop_s: float) -> dict[str, float | bool]:
    """The settings that a preset stands for, by name; what it has no opinion on is left out.

    Times are counted in windows, since a short sound is in as many as overlap, and made up of whole hops,
    since those are whole samples.

    - impulsive (a knock, a bark): over before a second window is sure to support it, so one is enough; how
      long it lasts says nothing, so it is told once; a pause of 3 s, since knocks and barks come in rows.
    - sustained (a siren, rain): a window of support within twice that, so that what is drowned for a moment
      counts; and that it lasts a hop more than a window, since a bang is in no more windows than overlap and
      so lasts no longer than one. 3 s under the threshold end it: sirens go up and down, rain thins out.
    - beeping (alarms): a window and a half of support within eight windows. A lone beep, though every window
      that holds it supports, comes to one window at most; beeps that come again come to more. Four windows
      without one end it, so that the pauses between beeps don't.

    window_s, hop_s: above 0, of the windows that will be heard.
    """
    window = math.ceil(window_s / hop_s - 1e-9)
    pause = math.ceil(_PAUSE_S / hop_s - 1e-9)
    if preset == "impulsive":
        return {
            "confirm_s": 0.0,
            "cooldown_s": pause * hop_s,
            "min_s": 0.0,
            "max_s": math.inf,
            "one_shot": True,
        }
    confirm, within, release, least = {
        "sustained": (window, 2 * window, pause, window + 1),
        "beeping": (window + (window + 1) // 2, 8 * window, 4 * window, 0),
    }[preset]
    return {
        "confirm_s": confirm * hop_s,
        "within_s": within * hop_s,
        "release_s": release * hop_s,
        "min_s": least * hop_s,
        "one_shot": False,
    }


def trigger_rule(
    rules: RuleSettings, bundle_threshold: float, defaults: RuleDefaults, window_s: float, hop_s: float
) -> TriggerRule:
    """A label's rule: what was chosen, else the preset's, else the bundle's own, else nothing asked for.

    Args:
        rules: what was chosen for it. Its `false_alarms` are not looked at: whoever knows the background sets
            the threshold.
        bundle_threshold: the label's own on-threshold, a cosine in [-1, 1].
        defaults: the bundle's.
        window_s: seconds of sound in a window.
        hop_s: seconds between the starts of windows.

    Raises:
        ConfigError: if they contradict each other.
    """
    of_preset = {} if rules.preset is None else preset_settings(rules.preset, window_s, hop_s)

    def chosen(name: str, otherwise: float = 0.0) -> float:
        given: float | None = getattr(rules, name)
        return of_preset.get(name, getattr(defaults, name, otherwise)) if given is None else given

    on_threshold = bundle_threshold if rules.threshold is None else rules.threshold
    return TriggerRule(
        on_threshold=on_threshold,
        off_threshold=max(-1.0, on_threshold - chosen("off_margin")),
        margin=chosen("margin"),
        rivals=rules.rivals or defaults.rivals,
        confirm_s=chosen("confirm_s"),
        within_s=chosen("within_s"),
        release_s=chosen("release_s"),
        cooldown_s=chosen("cooldown_s"),
        min_s=chosen("min_s"),
        max_s=chosen("max_s", math.inf),
        one_shot=bool(chosen("one_shot")),
    )


def of_own_sound(rules: RuleSettings) -> RuleSettings:
    """The rules of a sound of one's own, which has no rivals unless they are asked for.

    Its prototypes tell it from all other sounds already, and their scores are lower than other labels', see
    `edge.enrolment.sharpening`.
    """
    return replace(rules, rivals=rules.rivals or "none")
