"""A label's rule → one sentence for a person."""

from __future__ import annotations

import math

from edge.trigger_rule import TriggerRule


def rule_sentence(
    label: str, rule: TriggerRule, hop_s: float, window_s: float, preset: str | None = None
) -> str:
    """Say all of a rule that applies, in the order in which it matters.

    Args:
        label: its name, which the sentence begins with.
        rule: of that label.
        hop_s: seconds between the starts of windows.
        window_s: seconds of sound in a window.
        preset: the preset that it comes from, named behind the label.

    Returns: such as "siren: begins when windows score .56 or more, at most .08 under the best rival, for
        0.96 s within 2.4 s; ends after 1.5 s under .46; 30 s without another".
    """
    name = label if preset is None else f"{label} ({preset})"
    parts = [_start(rule) + _support(rule, hop_s, window_s) + _lasting(rule), _end(rule)]
    if rule.cooldown_s:
        parts.append(f"{rule.cooldown_s:g} s without another")
    return f"{name}: {'; '.join(parts)}"


def _start(rule: TriggerRule) -> str:
    return "told once when " if rule.one_shot else "begins when "


def _support(rule: TriggerRule, hop_s: float, window_s: float) -> str:
    if math.ceil(rule.confirm_s / hop_s - 1e-9) <= 1:
        return f"a single window of {window_s:g} s scores {_score(rule.on_threshold)} or more{_rivals(rule)}"
    stretch = "without a break" if rule.within_s == rule.confirm_s else f"within {rule.within_s:g} s"
    scores = f"windows score {_score(rule.on_threshold)} or more{_rivals(rule)}"
    return f"{scores}{',' if _rivals(rule) else ''} for {rule.confirm_s:g} s {stretch}"


def _lasting(rule: TriggerRule) -> str:
    if not rule.min_s:
        return ""
    told = "its sound" if rule.one_shot else "is told when it"
    return f", and {told} has lasted {rule.min_s:g} s"


def _rivals(rule: TriggerRule) -> str:
    if rule.rivals == "none":
        return ""
    rival = "the best rival" if rule.rivals == "all" else "the best background sound"
    if rule.margin == 0:
        return f", no less than {rival}"
    if rule.margin < 0:
        return f", at most {_score(-rule.margin)} under {rival}"
    return f", at least {_score(rule.margin)} above {rival}"


def _end(rule: TriggerRule) -> str:
    """How an event ends, or when another may begin."""
    under = f"under {_score(rule.off_threshold)}"
    ended = f"after {rule.release_s:g} s {under}" if rule.release_s else f"with the first window {under}"
    if rule.one_shot:
        return f"told again only {ended}"
    if math.isfinite(rule.max_s):
        return f"ends {ended}, or when it has lasted {rule.max_s:g} s: then begins again only {ended}"
    return f"ends {ended}"


def _score(value: float) -> str:
    """Cosines as people write them: .56, -.05, 1.00."""
    return f"{value:.2f}".replace("0.", ".", 1)
