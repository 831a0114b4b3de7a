from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.background import Background, Members
from edge.errors import ConfigError
from edge.overlay.content import SiteBackground
from edge.recognizer import WindowReport
from edge.scoring import PrototypeSet, scores
from edge.site.effect import SiteEffect, effect_lines, site_effect
from edge.site.events import events_by_label
from edge.site.listening import HeardSite, SiteListener
from edge.site.prototypes import away_from_labels, with_site
from edge.trigger_rule import TriggerRule

RATE, HOP, WINDOW = 1000, 500, 2500
HOP_S = HOP / RATE
DIM = 16
RULE = TriggerRule(
    on_threshold=0.5,
    off_threshold=0.4,
    margin=-0.05,
    rivals="all",
    confirm_s=1.0,
    within_s=2.0,
    release_s=1.5,
    cooldown_s=0.0,
)
PROTOTYPES = PrototypeSet(
    vectors=np.eye(4, DIM, dtype=np.float32),
    owners=np.arange(4),
    names=("dog bark", "siren", "hum", "our doorbell"),
    background=(False, False, True, False),
    rivals_groups=(None, None, None, None),
)
RULES = {"dog bark": RULE, "siren": RULE}


def like(axis: int, cosine: float, rest: int) -> NDArray[np.float32]:
    """A unit vector with this cosine to an axis; what is left points along another."""
    vector = np.zeros(DIM, np.float32)
    vector[axis], vector[rest] = cosine, np.sqrt(1.0 - cosine**2)
    return vector


TELEVISION = like(0, 0.6, rest=8)
"""Fires for a dog that barks, but isn't like one."""
BARK, SIREN = like(0, 0.8, rest=12), like(1, 0.8, rest=13)


def background(n_dogs: int = 10, n_sirens: int = 10) -> Background:
    """Members of two windows each: every dog barks and every siren wails the same way."""
    n = n_dogs + n_sirens
    rows = np.concatenate([np.tile(BARK, (2 * n_dogs, 1)), np.tile(SIREN, (2 * n_sirens, 1))])
    label = np.repeat([0, 1], [2 * n_dogs, 2 * n_sirens])
    members = Members(rows, label, np.repeat(np.arange(n), 2), np.tile([0, 1], n), "made up")
    one, zero = np.ones(1, np.float32), np.zeros(1, np.intp)
    return Background(TELEVISION[None], zero, zero, one, zero, 1, 3600.0, HOP_S, members, "")


def heard(embeddings: list[NDArray[np.float32] | None], clear: float = 0.75) -> HeardSite:
    listening = SiteListener(RULES, PROTOTYPES.names, dict.fromkeys(RULES, clear), 60.0, HOP_S, RATE)
    for n, embedding in enumerate(embeddings):
        found = None if embedding is None else scores(embedding, PROTOTYPES)
        state = "quiet" if embedding is None else "scored"
        listening.saw(WindowReport(n * HOP, n * HOP + WINDOW, -40.0, state, found, (), embedding))
    return listening.heard()


def site(*vectors: NDArray[np.float32]) -> SiteBackground:
    return SiteBackground(np.stack(vectors), "2025-01-31T12:00:00Z", 600.0, -40.0)


QUIET = like(2, 0.6, rest=9)
HOUR = heard(([QUIET] * 20 + [TELEVISION] * 10) * 5)


def turned(*vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What of the site is taken: the same but for what they share with a label."""
    return away_from_labels(np.stack(vectors), PROTOTYPES.vectors[[0, 1, 3]])


def judge(of: SiteBackground, members: Background | None = None, max_cost: float = 0.02) -> SiteEffect:
    return site_effect(RULES, PROTOTYPES, members or background(), of, HOUR, max_cost)


def test_false_alarms_in_what_was_heard_go_and_no_recording_is_lost():
    dogs, sirens = judge(site(TELEVISION)).labels
    assert (dogs.events_before, dogs.events_after) == (5, 0)
    assert (dogs.n_recordings, dogs.found_before, dogs.found_after) == (10, 10, 10)
    assert (sirens.events_before, sirens.events_after, sirens.found_after) == (0, 0, 10)


def test_a_prototype_that_makes_a_label_deaf_is_left_out_and_this_is_said():
    effect = judge(site(TELEVISION, BARK, QUIET))
    assert np.array_equal(effect.site.vectors, turned(TELEVISION, QUIET))
    assert effect.left_out == {"dog bark": 1}
    assert "left out 1 prototype that would have cost dog bark too much" in effect_lines(effect)
    assert effect.labels[0].found_after == 10


def test_two_prototypes_that_each_make_a_label_deaf_are_both_left_out():
    effect = judge(site(SIREN, TELEVISION, like(1, 0.82, rest=13)))
    assert np.array_equal(effect.site.vectors, turned(TELEVISION))
    assert effect.left_out == {"siren": 2}


def test_if_nothing_may_stay_it_is_refused_with_what_it_would_cost():
    with pytest.raises(ConfigError, match=r"deaf to dog bark \(0 of 10 recordings still told\): learn while"):
        judge(site(BARK))


def one_dog_of(n: int) -> Background:
    """One bark is like the television's."""
    members = background(n_dogs=n).members
    rows = members.embeddings.copy()
    rows[:2] = like(0, 0.7, rest=8)
    return replace(background(n_dogs=n), members=replace(members, embeddings=rows))


@pytest.mark.parametrize(("max_cost", "n_found"), [(0.06, 9), (0.04, 10)])
def test_what_all_labels_lose_together_is_held_to_the_cost_allowed(max_cost, n_found):
    of = site(like(0, 0.5, rest=8), QUIET)
    effect = site_effect(RULES, PROTOTYPES, one_dog_of(10), of, HOUR, max_cost)
    assert sum(label.found_before for label in effect.labels) == 20
    assert effect.labels[0].found_after == n_found
    assert len(effect.site.vectors) == (2 if n_found == 9 else 1)


def test_a_single_label_may_not_pay_for_all():
    members = background(n_dogs=10, n_sirens=190)
    effect = judge(site(BARK, TELEVISION), members, max_cost=1.0)
    assert effect.left_out == {"dog bark": 1}


def test_an_enrolled_sound_is_kept_from_prototypes_that_are_clearly_like_it():
    rules = {**RULES, "our doorbell": RULE}
    ringing, faint = like(3, 0.7, rest=10), like(3, 0.6, rest=10)
    effect = site_effect(rules, PROTOTYPES, background(), site(ringing, faint, TELEVISION), HOUR)
    assert np.array_equal(effect.site.vectors, turned(faint, TELEVISION))
    assert effect.left_out == {"our doorbell": 1}
    assert any("no recordings to measure this with: our doorbell" in line for line in effect_lines(effect))


def test_a_bundle_without_background_is_judged_by_likeness_alone():
    effect = site_effect(RULES, PROTOTYPES, None, site(TELEVISION, BARK), HOUR)
    assert np.array_equal(effect.site.vectors, turned(TELEVISION))
    with pytest.raises(ConfigError, match=r"deaf to dog bark \(sounds like it\)"):
        site_effect(RULES, PROTOTYPES, None, site(BARK), HOUR)


def test_labels_without_rivals_lose_nothing_and_gain_nothing():
    rules = {label: replace(rule, rivals="none") for label, rule in RULES.items()}
    effect = site_effect(rules, PROTOTYPES, background(), site(TELEVISION, BARK), HOUR)
    dogs = effect.labels[0]
    assert len(effect.site.vectors) == 2
    assert (dogs.found_after, dogs.events_before, dogs.events_after) == (10, 5, 5)


def test_a_person_is_told_what_it_brings_and_costs():
    bark = heard([TELEVISION] * 100 + [BARK] + [QUIET] * 100)
    lines = effect_lines(site_effect(RULES, PROTOTYPES, background(), site(TELEVISION), bark))
    assert lines == [
        "learnt 1 prototype from 10 min heard here, usual level -40 dBFS",
        "events in 2 min: 1 before, 0 after",
        "  dog bark: 1 before, 0 after",
        "of 20 recordings of the sounds listened for, found 20 before, 20 after",
        "skipped 9 windows that sound like dog bark",
    ]


def test_a_replay_counts_what_the_labels_would_have_told():
    stretch = [TELEVISION] * 3 + [QUIET] * 10
    assert events_by_label(RULES, PROTOTYPES, heard(stretch * 4)) == {"dog bark": 4}
    # One supporting window confirms nothing.
    assert events_by_label(RULES, PROTOTYPES, heard([TELEVISION, *([QUIET] * 10)] * 4)) == {}


@pytest.mark.parametrize(("n_quiet", "n_events"), [(1, 1), (4, 2), (400, 2)])
def test_windows_too_quiet_to_embed_end_an_event_as_they_did_when_heard(n_quiet, n_events):
    replayed = heard([*([TELEVISION] * 4), *([None] * n_quiet), *([TELEVISION] * 4)])
    assert events_by_label(RULES, PROTOTYPES, replayed) == {"dog bark": n_events}


def test_windows_that_are_clearly_a_label_are_no_false_alarms():
    assert events_by_label(RULES, PROTOTYPES, heard([BARK] * 20)) == {}
    assert events_by_label(RULES, PROTOTYPES, heard([BARK] * 20, clear=0.9)) == {"dog bark": 1}


def test_a_replay_with_the_site_is_what_counts_after():
    assert events_by_label(RULES, with_site(PROTOTYPES, site(TELEVISION)), HOUR) == {}
