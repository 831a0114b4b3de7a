from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from edge.background import Background, Members
from edge.errors import ConfigError
from edge.recognizer import WindowReport
from edge.scoring import PrototypeSet, scores
from edge.site.listening import N_STRETCHES, STRETCH_WINDOWS, SiteListener, clear_scores, learn
from edge.site.prototypes import SITE_NAME, away_from_labels, site_prototypes, with_site
from edge.trigger_rule import TriggerRule

RATE, HOP, WINDOW = 1000, 500, 2500
HOP_S = HOP / RATE
NOW = "2025-01-31T12:00:00Z"
DIM = 16
RULE = TriggerRule(
    on_threshold=0.5,
    off_threshold=0.4,
    margin=-0.1,
    rivals="all",
    confirm_s=1.0,
    within_s=2.0,
    release_s=1.5,
    cooldown_s=0.0,
)
PROTOTYPES = PrototypeSet(
    vectors=np.eye(3, DIM, dtype=np.float32),
    owners=np.arange(3),
    names=("dog bark", "siren", "hum"),
    background=(False, False, True),
    rivals_groups=(None, None, None),
)
RULES = {"dog bark": RULE, "siren": RULE}
CLEAR = {"dog bark": 0.8, "siren": 0.8}


def like(axis: int, cosine: float, rest: int = 9) -> NDArray[np.float32]:
    """A unit vector with this cosine to an axis; what is left points along another."""
    vector = np.zeros(DIM, np.float32)
    vector[axis], vector[rest] = cosine, np.sqrt(1.0 - cosine**2)
    return vector


def report(n: int, embedding: NDArray[np.float32] | None, level_dbfs: float = -40.0) -> WindowReport:
    found = None if embedding is None else scores(embedding, PROTOTYPES)
    state = "quiet" if embedding is None else "scored"
    return WindowReport(n * HOP, n * HOP + WINDOW, level_dbfs, state, found, (), embedding)


def listener(wanted_s: float = 3600.0) -> SiteListener:
    return SiteListener(RULES, PROTOTYPES.names, CLEAR, wanted_s, HOP_S, RATE)


def hears(listening: SiteListener, embeddings: list[NDArray[np.float32] | None], first: int = 0) -> None:
    for n, embedding in enumerate(embeddings, first):
        listening.saw(report(n, embedding))


def test_what_was_heard_becomes_unit_prototypes_that_are_like_it():
    fan = like(2, 0.6)
    listening = listener()
    hears(listening, [fan] * 200)
    site = learn(listening.heard(), NOW)
    assert np.linalg.norm(site.vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert float((site.vectors @ fan).max()) > 0.999
    assert (site.created, site.heard_s) == (NOW, 100.0)


def test_a_window_that_merely_fires_is_learnt_and_one_that_is_clearly_a_label_is_not():
    television, bark = like(0, 0.6), like(0, 0.9, rest=12)
    listening = listener()
    hears(listening, [television] * 200 + [bark] * 50)
    site = learn(listening.heard(), NOW)
    assert float((site.vectors @ television).max()) > 0.99
    assert float(site.vectors[:, 12].max()) < 0.1


def test_windows_that_overlap_a_clear_match_are_skipped_too_and_counted_by_label():
    quiet, bark = like(2, 0.6), like(0, 0.9)
    listening = listener()
    hears(listening, [quiet] * 20 + [bark] + [quiet] * 20)
    heard = listening.heard()
    # A window is five hops long: four before and four behind share some of its samples.
    assert np.flatnonzero(heard.is_clear).tolist() == list(range(16, 25))
    assert heard.skipped == {"dog bark": 9}


def test_a_stream_that_begins_anew_is_not_skipped_for_a_match_before():
    quiet, siren = like(2, 0.6), like(1, 0.9)
    listening = listener()
    hears(listening, [siren], first=1000)
    hears(listening, [quiet] * 3, first=0)
    assert listening.heard().is_clear.tolist() == [True, False, False, False]


def test_quiet_windows_count_as_time_and_level_alone():
    listening = listener(wanted_s=10.0)
    for n in range(15):
        listening.saw(report(n, None, -70.0))
    assert (listening.heard_s, listening.is_done) == (7.5, False)
    for n in range(15, 20):
        listening.saw(report(n, like(2, 0.6), -30.0))
    assert (listening.heard_s, listening.is_done) == (10.0, True)
    heard = listening.heard()
    assert len(heard.embeddings) == 5
    assert heard.level_dbfs == -70.0


def test_digital_silence_and_what_is_no_number_have_no_part_in_the_level():
    listening = listener()
    for n, level_dbfs in enumerate([-np.inf, np.nan, -50.0, -50.0]):
        listening.saw(report(n, like(2, 0.6), level_dbfs))
    assert listening.heard().level_dbfs == -50.0


@pytest.mark.parametrize("n_windows", [0, 1, 57])
def test_less_than_half_a_minute_is_refused(n_windows):
    listening = listener()
    hears(listening, [None] * 500 + [like(2, 0.6)] * n_windows)
    with pytest.raises(ConfigError, match=f"only {n_windows * HOP_S:.0f} s"):
        learn(listening.heard(), NOW)


def test_an_hour_of_nothing_but_a_label_is_refused_and_says_which():
    listening = listener()
    hears(listening, [like(1, 0.9)] * 1000)
    with pytest.raises(ConfigError, match="1000 windows sounded like siren"):
        learn(listening.heard(), NOW)


def test_a_week_takes_no_more_memory_than_the_most_and_is_a_fair_sample_in_order():
    n_all = 3 * STRETCH_WINDOWS * N_STRETCHES
    listening = listener()
    hears(listening, [like(2, 0.6)] * n_all)
    heard = listening.heard()
    assert len(heard.embeddings) == STRETCH_WINDOWS * N_STRETCHES < 8000
    assert np.all(np.diff(heard.start_sample) > 0)
    assert heard.start_sample.mean() == pytest.approx(n_all / 2 * HOP, rel=0.1)
    assert learn(heard, NOW).heard_s == pytest.approx(n_all * HOP_S)


def test_rare_windows_near_a_threshold_get_a_prototype_beside_much_that_is_not():
    beep = like(1, 0.55, rest=13)
    rng = np.random.default_rng(0)
    fans = rng.standard_normal((2000, DIM)).astype(np.float32)
    fans[:, :2] = 0.0
    fans /= np.linalg.norm(fans, axis=1, keepdims=True)
    listening = listener()
    hears(listening, [*fans[:1990], *([beep] * 10)])
    assert float((learn(listening.heard(), NOW).vectors @ beep).max()) > 0.99


def test_few_prototypes_are_found_where_few_explain_all():
    rng = np.random.default_rng(1)
    centres = np.linalg.qr(rng.standard_normal((DIM, 3)))[0].T
    rows = np.repeat(centres, 100, axis=0) + 0.02 * rng.standard_normal((300, DIM))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    found = site_prototypes(rows, 12)
    assert len(found) == 3
    assert (found @ centres.T).max(axis=0) == pytest.approx(1.0, abs=0.01)
    assert np.array_equal(found, site_prototypes(rows, 12))


@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_more_prototypes_than_rows_or_than_asked_for(n):
    rows = np.eye(3, DIM, dtype=np.float32)
    assert len(site_prototypes(rows, n)) == min(n, 3)


def test_equal_rows_make_one_prototype():
    assert len(site_prototypes(np.tile(like(0, 0.6), (40, 1)), 12)) == 1


def test_turned_away_a_prototype_stays_like_the_place_and_becomes_less_like_the_label():
    place, bark = like(0, 0.65, rest=8), like(0, 0.75, rest=8)
    other = like(0, 0.75, rest=12)
    away = away_from_labels(place[None], PROTOTYPES.vectors[:2])[0]
    assert np.linalg.norm(away) == pytest.approx(1.0)
    assert float(away @ place) > 0.95
    assert float(away @ bark) < float(place @ bark)
    assert float(away @ other) < 0.7 * float(place @ other)


def test_a_prototype_that_shares_nothing_with_a_label_stays_as_it_is():
    opposite = like(0, -0.5, rest=8)
    assert away_from_labels(opposite[None], PROTOTYPES.vectors[:1])[0] == pytest.approx(opposite)


def test_the_site_is_one_more_background_and_changes_no_other_score():
    site = learn_of([like(2, 0.6)] * 200)
    both = with_site(PROTOTYPES, site)
    assert both.names == (*PROTOTYPES.names, SITE_NAME)
    assert both.background[-1]
    assert both.rivals_groups[-1] is None
    window = like(0, 0.7)
    assert scores(window, both)[:3] == pytest.approx(scores(window, PROTOTYPES))
    assert with_site(PROTOTYPES, None) is PROTOTYPES


def test_a_second_site_is_refused():
    site = learn_of([like(2, 0.6)] * 200)
    with pytest.raises(ValueError, match="names are the same"):
        with_site(with_site(PROTOTYPES, site), site)


def learn_of(embeddings: list[NDArray[np.float32] | None]):
    listening = listener()
    hears(listening, embeddings)
    return learn(listening.heard(), NOW)


def with_members(reached: list[float]) -> Background:
    """Each recording of a dog has two windows, of which the second is the better."""
    rows = np.stack([row for best in reached for row in (like(0, 0.1), like(0, best))])
    one, zero = np.ones(1, np.float32), np.zeros(1, np.intp)
    n = len(reached)
    members = Members(rows, np.zeros(2 * n, np.intp), np.repeat(np.arange(n), 2), np.tile([0, 1], n), "")
    return Background(rows[:1], zero, zero, one, zero, 1, 3600.0, HOP_S, members, "")


def test_clear_is_what_three_of_four_recordings_of_the_sound_reach():
    background = with_members([0.6, 0.7, 0.8, 0.9, 0.95])
    assert clear_scores(PROTOTYPES, background, RULES)["dog bark"] == pytest.approx(0.7)


@pytest.mark.parametrize("background", [None, with_members([0.9, 0.9, 0.9])])
def test_without_enough_recordings_clear_is_well_above_the_threshold(background):
    found = clear_scores(PROTOTYPES, background, RULES)
    assert found == pytest.approx({"dog bark": 0.65, "siren": 0.65})


def test_clear_is_never_below_the_threshold():
    rules = {"dog bark": replace(RULE, on_threshold=0.75)}
    background = with_members([0.3, 0.4, 0.5, 0.6])
    assert clear_scores(PROTOTYPES, background, rules) == {"dog bark": 0.75}
