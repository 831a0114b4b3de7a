from __future__ import annotations

import math
from dataclasses import replace

import pytest

from edge.rule_sentence import rule_sentence
from edge.trigger import TriggerRule

RULE = TriggerRule(
    on_threshold=0.56,
    off_threshold=0.46,
    margin=-0.08,
    rivals="all",
    confirm_s=0.96,
    within_s=2.4,
    release_s=1.5,
    cooldown_s=30.0,
)


def sentence(preset: str | None = None, **changes: object) -> str:
    return rule_sentence("siren", replace(RULE, **changes), 0.48, 2.5, preset)


def test_a_rule_in_one_sentence():
    assert sentence() == (
        "siren: begins when windows score .56 or more, at most .08 under the best rival, "
        "for 0.96 s within 2.4 s; ends after 1.5 s under .46; 30 s without another"
    )


def test_a_rule_of_one_window_that_is_told_once():
    rule = replace(RULE, confirm_s=0.0, one_shot=True, cooldown_s=3.0, rivals="background", margin=0.05)
    assert rule_sentence("door knock", rule, 0.48, 2.5, "impulsive") == (
        "door knock (impulsive): told once when a single window of 2.5 s scores .56 or more, "
        "at least .05 above the best background sound; told again only after 1.5 s under .46; "
        "3 s without another"
    )


def test_a_rule_with_limits():
    assert sentence("sustained", min_s=3.36, max_s=60.0, rivals="none", cooldown_s=0.0) == (
        "siren (sustained): begins when windows score .56 or more for 0.96 s within 2.4 s, "
        "and is told when it has lasted 3.36 s; "
        "ends after 1.5 s under .46, or when it has lasted 60 s: then begins again only after 1.5 s under .46"
    )
    assert "for 0.96 s within 2.4 s, and its sound has lasted 2 s; told again" in sentence(
        one_shot=True, min_s=2.0
    )


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"cooldown_s": 0.0}, "another"),
        ({"rivals": "none"}, "rival"),
        ({"rivals": "none"}, "under the"),
        ({"min_s": 0.0}, "lasted"),
        ({"max_s": math.inf}, "lasted"),
        ({"confirm_s": 0.48}, "within"),
        ({"one_shot": True}, "ends"),
    ],
)
def test_what_does_not_apply_is_not_mentioned(changes, absent):
    assert absent not in sentence(**changes)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"margin": 0.0}, "no less than the best rival"),
        ({"margin": 0.1}, "at least .10 above the best rival"),
        ({"rivals": "background"}, "under the best background sound"),
        ({"on_threshold": 1.0}, "score 1.00 or more"),
        ({"off_threshold": -0.05}, "under -.05"),
        ({"within_s": 0.96}, "for 0.96 s without a break"),
        ({"release_s": 0.0}, "ends with the first window under .46"),
        ({"confirm_s": 0.48}, "when a single window of 2.5 s scores .56"),
    ],
)
def test_each_part_says_what_the_rule_does(changes, part):
    assert part in sentence(**changes)


def test_every_setting_of_a_rule_changes_the_sentence():
    changes = {
        "on_threshold": 0.7,
        "off_threshold": 0.3,
        "margin": 0.1,
        "rivals": "none",
        "confirm_s": 1.44,
        "within_s": 3.0,
        "release_s": 2.0,
        "cooldown_s": 5.0,
        "min_s": 2.0,
        "max_s": 60.0,
        "one_shot": True,
    }
    assert set(changes) == set(TriggerRule.__dataclass_fields__)
    assert len({sentence(**{name: value}) for name, value in changes.items()} | {sentence()}) == 12
