"""Figures against scikit-learn's and against what can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

for needed in ("sklearn", "scipy", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `eval`")

from sklearn.metrics import average_precision_score  # noqa: E402

from export.evaluation.judging import Judged  # noqa: E402
from export.evaluation.methods import sigmoid  # noqa: E402
from export.evaluation.metrics import (  # noqa: E402
    Ranked,
    accuracy,
    clip_average_precision,
    confusion,
    macro_map,
    per_class,
    per_clip_ap,
    point,
)


def judged_single() -> Judged:
    """Six clips of three classes in two folds: four right."""
    truth = np.eye(3, dtype=bool)[[0, 0, 1, 1, 2, 2]]
    scores = np.eye(3, dtype=np.float32)[[0, 1, 1, 1, 2, 0]]
    sources = np.array(["a", "a", "b", "c", "d", "e"])
    return Judged(np.arange(6), scores, truth, np.array(["1", "1", "1", "2", "2", "2"]), sources)


@pytest.fixture
def judged_multi(rng: np.random.Generator) -> Judged:
    """Two hundred clips of eight classes, one to three each."""
    truth = rng.random((200, 8)) < 0.2
    truth[~truth.any(axis=1), 0] = True
    scores = (truth + rng.standard_normal((200, 8))).astype(np.float32) / 10
    sources = np.array([str(place // 2) for place in range(200)])
    return Judged(np.arange(200), scores, truth, np.full(200, "eval"), sources)


def test_accuracy_its_folds_and_their_spread() -> None:
    figure = accuracy(judged_single())
    assert figure.overall.value == pytest.approx(4 / 6)
    assert figure.by_fold == {"1": pytest.approx(2 / 3), "2": pytest.approx(2 / 3)}
    assert figure.fold_spread == pytest.approx(0.0)
    assert figure.overall.low < 4 / 6 < figure.overall.high


def test_one_fold_has_no_spread(judged_multi: Judged) -> None:
    assert per_clip_ap(judged_multi).fold_spread is None


def test_confusion_and_the_share_of_each_class() -> None:
    judged = judged_single()
    np.testing.assert_array_equal(confusion(judged), [[1, 1, 0], [0, 2, 0], [1, 0, 1]])
    np.testing.assert_allclose(per_class(judged, multi_label=False), [0.5, 1.0, 0.5])
    assert point(judged, multi_label=False) == pytest.approx(4 / 6)


def test_macro_map_is_scikit_learns(judged_multi: Judged) -> None:
    expected = average_precision_score(judged_multi.truth, judged_multi.scores, average="macro")
    figure = macro_map(judged_multi)
    assert figure.overall.value == pytest.approx(expected)
    assert figure.overall.low < expected < figure.overall.high


def test_the_interval_of_macro_map_covers_what_more_clips_would_show() -> None:
    rng = np.random.default_rng(1)
    n_classes, n_all, n_drawn = 12, 40_000, 500

    def drawn(n: int) -> Judged:
        truth = rng.random((n, n_classes)) < 0.1
        scores = (truth + rng.standard_normal((n, n_classes))).astype(np.float32)
        return Judged(np.arange(n), scores, truth, np.full(n, "eval"), np.arange(n).astype(str))

    everything = drawn(n_all)
    of_all = average_precision_score(everything.truth, everything.scores, average="macro")
    intervals = [macro_map(drawn(n_drawn), seed=seed).overall for seed in range(20)]
    # Of twenty 95 % intervals sixteen or more hold it, but for once in three hundred times.
    assert sum(interval.low <= of_all <= interval.high for interval in intervals) >= 16


def test_a_fold_without_a_class_leaves_it_out() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], bool)
    folds = np.array(["1", "1", "2", "2"])
    judged = Judged(np.arange(4), truth.astype(np.float32), truth, folds, np.arange(4).astype(str))
    assert macro_map(judged).by_fold == {"1": 1.0, "2": 1.0}


def test_all_right_is_not_certain() -> None:
    truth = np.eye(2, dtype=bool)[[0, 1]]
    judged = Judged(np.arange(2), truth.astype(np.float32), truth, np.array(["1", "1"]), np.array(["a", "b"]))
    assert accuracy(judged).overall.low < 0.3


def test_per_clip_ap_is_scikit_learns_over_classes_and_another_figure(judged_multi: Judged) -> None:
    expected = average_precision_score(judged_multi.truth, sigmoid(judged_multi.scores), average="samples")
    assert per_clip_ap(judged_multi).overall.value == pytest.approx(expected)
    assert point(judged_multi, multi_label=True) == pytest.approx(expected)
    assert clip_average_precision(judged_multi).shape == (200,)
    assert abs(expected - macro_map(judged_multi).overall.value) > 0.02


def test_weighted_average_precision_is_scikit_learns(judged_multi: Judged, rng: np.random.Generator) -> None:
    weights = rng.integers(0, 4, 200).astype(np.float64)
    expected = [
        average_precision_score(judged_multi.truth[:, c], judged_multi.scores[:, c], sample_weight=weights)
        for c in range(8)
    ]
    found = Ranked(judged_multi.truth, judged_multi.scores).average_precision(weights)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_equal_scores_come_before_none_of_each_other(rng: np.random.Generator) -> None:
    truth = rng.random((60, 5)) < 0.3
    scores = rng.integers(0, 4, (60, 5)).astype(np.float32)
    expected = [average_precision_score(truth[:, c], scores[:, c]) for c in range(5)]
    np.testing.assert_allclose(Ranked(truth, scores).average_precision(np.ones(60)), expected, atol=1e-12)


def test_a_class_that_no_clip_has_is_left_out(judged_multi: Judged) -> None:
    truth = np.concatenate([judged_multi.truth, np.zeros((200, 1), bool)], axis=1)
    scores = np.concatenate([judged_multi.scores, np.ones((200, 1), np.float32)], axis=1)
    with_empty = Judged(judged_multi.places, scores, truth, judged_multi.folds, judged_multi.sources)
    assert macro_map(with_empty).overall.value == pytest.approx(macro_map(judged_multi).overall.value)
    assert np.isnan(per_class(with_empty, multi_label=True)[-1])
