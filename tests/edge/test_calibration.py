from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_bundle import THRESHOLD, write_synthetic_bundle

from edge.background import Background
from edge.bundle import Bundle
from edge.calibration.expectation import (
    CEILING,
    FLOOR_BELOW_BUNDLE,
    Expectation,
    countable,
    expectation,
    pooled_recall,
)
from edge.calibration.false_alarms import Rate
from edge.calibration.table import calibration_lines, expectation_json
from edge.manifest import RuleDefaults
from edge.scoring import PrototypeSet
from edge.trigger import TriggerRule

DOG, SIREN, RAIN = 0, 1, 3
RULE = TriggerRule(
    on_threshold=THRESHOLD,
    off_threshold=THRESHOLD - 0.1,
    margin=-0.2,
    rivals="background",
    confirm_s=0.96,
    within_s=2.4,
    release_s=1.5,
    cooldown_s=0.0,
)


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_synthetic_bundle(Path(tmp_path_factory.mktemp("tones")) / "bundle")


@pytest.fixture(scope="module")
def prototypes(tones: Bundle) -> PrototypeSet:
    return tones.prototypes(tones.manifest.encoders[0])


@pytest.fixture(scope="module")
def background(tones: Bundle) -> Background:
    assert tones.background is not None
    return tones.background


def with_dogs(background: Background, prototypes: PrototypeSet, hours: float) -> Background:
    """Forty moments, of two windows like the dog's tone by .98, .96, … and .2."""
    rng = np.random.default_rng(1)
    # A direction that no prototype has a share of.
    free = np.linalg.qr(
        np.column_stack([prototypes.vectors.T, rng.standard_normal(prototypes.vectors.shape[1])])
    )
    cosine = np.repeat(1.0 - 0.02 * np.arange(1, 41), 2)[:, None]
    rows = cosine * prototypes.vectors[DOG] + np.sqrt(1.0 - cosine**2) * free.Q[:, -1]
    return replace(
        background,
        embeddings=rows.astype(np.float32),
        moment=np.repeat(np.arange(40), 2),
        position=np.tile([0, 1], 40),
        weight=np.ones(40, np.float32),
        recording=np.arange(40),
        duration_s=3600.0 * hours,
    )


def test_a_threshold_brings_the_rate_that_was_asked_for(prototypes, background):
    found = expectation(DOG, RULE, prototypes, with_dogs(background, prototypes, 10.0), 1.0, 0.8)
    assert found.label == "dog bark"
    assert found.asked_per_h == 1.0
    assert found.threshold == pytest.approx(0.8, abs=0.0011)
    assert found.threshold == round(found.threshold, 3)
    assert found.false_alarms.per_h == pytest.approx(1.0, rel=0.02)
    assert found.false_alarms.low < 1.0 < found.false_alarms.high
    assert found.note is None
    assert not found.is_upper_bound


@pytest.mark.parametrize("per_h", [0.6, 0.9, 1.3, 2.1])
def test_rounding_a_threshold_brings_no_more_than_was_asked_for(prototypes, background, per_h):
    dogs = with_dogs(background, prototypes, 10.0)
    assert expectation(DOG, RULE, prototypes, dogs, per_h, 0.8).false_alarms.per_h <= per_h


def test_what_held_before_stands_beside_it(prototypes, background):
    rule = replace(RULE, on_threshold=0.99)
    found = expectation(DOG, rule, prototypes, with_dogs(background, prototypes, 10.0), 2.0, 0.8)
    assert found.before_threshold == 0.99
    assert found.false_alarms_before.per_h < found.false_alarms.per_h
    assert found.n_found_before is not None
    assert found.n_found is not None
    assert found.n_found_before < found.n_found == found.n_members == 4


def test_where_no_rate_is_asked_for_the_threshold_stays(prototypes, background):
    found = expectation(DOG, RULE, prototypes, background, None, 0.5)
    assert found.threshold == found.before_threshold == THRESHOLD
    assert found.false_alarms == found.false_alarms_before
    assert found.note is None


@pytest.mark.parametrize("per_h", [8.0, 10_000.0])
def test_a_threshold_is_never_far_below_the_bundle_s_own(prototypes, background, per_h):
    found = expectation(DOG, RULE, prototypes, background, per_h, THRESHOLD)
    assert found.threshold == pytest.approx(THRESHOLD - FLOOR_BELOW_BUNDLE)
    assert found.false_alarms.per_h < per_h
    assert found.note == "already rarer than asked: kept at .750, the least that is allowed"


def test_a_threshold_stays_below_one_even_if_that_is_too_often(prototypes, background):
    found = expectation(SIREN, RULE, prototypes, background, 0.001, THRESHOLD)
    assert found.threshold == CEILING
    assert found.false_alarms.per_h > 0.001
    assert found.note == "more often than asked even at .990, the most that is allowed"


def test_a_rate_that_the_background_is_too_short_for_is_said_to_be_reckoned(prototypes, background):
    found = expectation(DOG, RULE, prototypes, with_dogs(background, prototypes, 100.0), 0.045, 0.9)
    assert found.note == "asked for fewer than 5 in these 100 h: reckoned beyond what was heard"
    assert 0.9 < found.threshold < CEILING
    assert found.false_alarms.per_h == pytest.approx(0.045, rel=0.1)


def test_sounds_found_are_counted_by_the_label_s_whole_rule(prototypes, background):
    members = background.members
    # Of one recording of the dog, one of the two windows is of the siren.
    embeddings = members.embeddings.copy()
    embeddings[0] = members.embeddings[members.label == SIREN][0]
    spoilt = replace(background, members=replace(members, embeddings=embeddings))
    assert expectation(DOG, RULE, prototypes, spoilt, None, THRESHOLD).n_found == 3
    one = replace(RULE, confirm_s=0.0)
    assert expectation(DOG, one, prototypes, spoilt, None, THRESHOLD).n_found == 4


def test_recordings_shorter_than_the_rule_s_confirmation_are_not_judged(prototypes, background):
    members = background.members
    is_kept = np.arange(len(members.label)) != 1
    cut = replace(
        members,
        **{
            name: getattr(members, name)[is_kept] for name in ("embeddings", "label", "recording", "position")
        },
    )
    found = expectation(DOG, RULE, prototypes, replace(background, members=cut), None, THRESHOLD)
    assert (found.n_found, found.n_members) == (3, 3)
    long = expectation(DOG, replace(RULE, confirm_s=1.44), prototypes, background, None, THRESHOLD)
    assert (long.n_found, long.n_found_before, long.n_members) == (None, None, 0)
    assert long.is_upper_bound


def test_a_label_that_the_bundle_has_no_recordings_of_has_no_recall(prototypes, background):
    made = PrototypeSet(
        vectors=np.concatenate([prototypes.vectors, prototypes.vectors[:1]]),
        owners=np.append(prototypes.owners, 4),
        names=(*prototypes.names, "our doorbell"),
        background=(*prototypes.background, False),
        rivals_groups=(*prototypes.rivals_groups, None),
    )
    found = expectation(4, RULE, made, background, None, THRESHOLD)
    assert (found.n_found, found.n_found_before, found.n_members) == (None, None, 0)


DOG_BARK = Expectation(
    label="dog bark",
    threshold=0.71,
    asked_per_h=0.5,
    false_alarms=Rate(0.43, 0.17, 1.02),
    is_upper_bound=False,
    n_found=9,
    n_members=10,
    before_threshold=0.56,
    n_found_before=10,
    false_alarms_before=Rate(6.2, 4.0, 9.0),
    note=None,
)
DOORBELL = replace(
    DOG_BARK,
    label="our doorbell",
    before_threshold=0.71,
    false_alarms=Rate(0.01, 0.0, 0.12),
    is_upper_bound=True,
    n_found=None,
    n_found_before=None,
    n_members=0,
)


def test_the_table_says_what_a_person_will_live_with(background):
    siren = replace(DOG_BARK, label="siren", n_found=5, note="already rarer than asked")
    assert calibration_lines([DOG_BARK, siren, DOORBELL], background) == [
        "label         threshold  false alarms an hour    finds  before  an hour     finds",
        "dog bark           .710  0.4 (0.1 to 1.1)      9 of 10    .560      6.2  10 of 10",
        "siren              .710  0.4 (0.1 to 1.1)      5 of 10    .560      6.2  10 of 10",
        "our doorbell       .710  under 0.1 (0 to 0.2)        -    same",
        "siren: already rarer than asked",
        "our doorbell: at most so many, finds likewise: its rule asks for more than could be counted",
        "our doorbell: what it finds isn't known: no recordings of it, or none as long as its rule needs",
        "all labels together: finds 14 of 20 (before: 20 of 20)",
        "counted in 1 h of background (90 % interval), found among recordings of tones; a home may sound",
        "  different",
    ]


def test_the_table_fits_100_columns_whatever_a_label_is_called(background):
    wide = replace(
        DOG_BARK,
        label="the neighbour's elderly dachshund " * 4,
        false_alarms=Rate(12345.5, 11000.5, 13500.5),
        n_found=100,
        n_members=120,
        note="a note " * 30,
    )
    lines = calibration_lines([wide], background)
    assert max(map(len, lines)) <= 100
    assert "…" in lines[1]
    assert "11000 to 13501" in lines[1]


def test_without_labels_there_is_no_table(background):
    assert calibration_lines([], background) == []


def test_pooled_recall_leaves_out_labels_without_recordings():
    pooled = pooled_recall([DOG_BARK, DOORBELL, replace(DOG_BARK, n_found=0)])
    assert (pooled.n_found, pooled.n_found_before, pooled.n_members) == (9, 20, 20)


def test_an_expectation_is_plain_json_by_its_attributes():
    plain = json.loads(json.dumps(expectation_json(DOG_BARK)))
    assert plain["label"] == "dog bark"
    assert plain["false_alarms"] == {"per_h": 0.43, "low": 0.17, "high": 1.02}
    assert plain["note"] is None


def test_a_rule_that_adds_up_a_longer_time_is_counted_by_the_bundles_confirmation(prototypes, background):
    dogs = with_dogs(background, prototypes, 10.0)
    defaults = RuleDefaults(
        margin=-0.2, off_margin=0.1, confirm_s=0.96, within_s=2.4, release_s=1.5, rivals="background"
    )
    beeping = replace(RULE, confirm_s=4.32, within_s=23.04)
    hop_s = dogs.hop_s
    counted = expectation(
        DOG, beeping, prototypes, dogs, 1.0, 0.8, countable(beeping, defaults, hop_s, hop_s)
    )
    plain = expectation(DOG, RULE, prototypes, dogs, 1.0, 0.8, countable(RULE, defaults, hop_s, hop_s))
    assert counted.threshold == plain.threshold
    assert counted.false_alarms == plain.false_alarms
    assert counted.is_upper_bound
    assert not plain.is_upper_bound


def test_at_a_longer_hop_fewer_windows_confirm_and_that_is_counted():
    defaults = RuleDefaults(
        margin=-0.2, off_margin=0.1, confirm_s=0.96, within_s=2.4, release_s=1.5, rivals="background"
    )
    assert countable(RULE, defaults, 0.96, 0.48).confirm_s == 0.48
    assert countable(RULE, defaults, 0.24, 0.48) == RULE
