"""The paper's methods on planted data, against brute force, the product's own code and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

for needed in ("sklearn", "scipy", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `eval`")

from planted_embeddings import directions, planted, planted_texts, small_dataset, unit  # noqa: E402
from sklearn.neighbors import NearestCentroid, NearestNeighbors  # noqa: E402

from edge.errors import ConfigError  # noqa: E402
from edge.prototypes import Pool, from_pool  # noqa: E402
from export.evaluation.judging import all_clips, judge  # noqa: E402
from export.evaluation.methods import (  # noqa: E402
    Material,
    cosines,
    euclidean_scores,
    nearest_means,
    nearest_rows,
    proto,
    sigmoid,
    supervised_prototypes,
    zero_shot,
)
from export.evaluation.metrics import accuracy  # noqa: E402
from export.evaluation.mlp import mlp  # noqa: E402

N_CLASSES = 4


def planted_material(n_each: int) -> Material:
    """So many clips of each of four classes to learn from, twenty to judge."""
    pool, judged = small_dataset(N_CLASSES, 1, n_each), small_dataset(N_CLASSES, 1, 20)
    classes = np.eye(N_CLASSES, dtype=bool)[[clip.classes[0] for clip in pool.clips]]
    return Material(
        planted_texts(N_CLASSES), planted(pool), classes, planted(judged, seed=9), multi_label=False
    )


@pytest.fixture
def material() -> Material:
    return planted_material(30)


def targets(n_each: int) -> np.ndarray:
    return np.repeat(np.arange(N_CLASSES), n_each)


def test_zero_shot_is_the_cosine_to_the_text(material: Material) -> None:
    scores = zero_shot(material)
    assert scores[3, 2] == pytest.approx(float(np.dot(material.judged[3], material.texts[2])), abs=1e-6)


def test_without_texts_zero_shot_says_what_is_missing(material: Material) -> None:
    with pytest.raises(ConfigError, match="no text encoder"):
        zero_shot(Material(None, material.pool, material.classes, material.judged, multi_label=False))


def test_neighbours_are_those_that_scikit_learn_finds(material: Material) -> None:
    found = NearestNeighbors(n_neighbors=7, metric="cosine").fit(material.pool)
    _, expected = found.kneighbors(material.texts)
    np.testing.assert_array_equal(nearest_rows(material.texts, material.pool, 7), expected)


def test_a_prototype_is_the_one_that_the_product_makes(material: Material) -> None:
    k = len(material.pool) // 4
    pool = Pool(
        material.pool, np.arange(len(material.pool)), tuple(str(row) for row in range(len(material.pool)))
    )
    means = unit(nearest_means(material.texts, material.pool, k))
    for text, mean in zip(material.texts, means, strict=True):
        np.testing.assert_allclose(mean, from_pool(text, pool, k).vector, atol=1e-6)


def test_with_as_many_neighbours_as_a_class_has_proto_finds_every_class(material: Material) -> None:
    scores = proto(30)(material)
    np.testing.assert_array_equal(np.argmax(scores, axis=1), targets(20))


def test_more_neighbours_than_a_class_has_admit_strangers_by_a_known_share() -> None:
    # Without noise, k = 12 of a class of 10 and others orthogonal to it: 10 of its own and 2 strangers.
    axes = directions(N_CLASSES)
    pool = np.repeat(axes, 10, axis=0)
    (mean,) = nearest_means(axes[:1], pool, 12)
    assert float(mean @ axes[0]) == pytest.approx(10 / 12)
    assert float(mean @ axes[1:].sum(axis=0)) == pytest.approx(2 / 12, abs=1e-6)
    cosine = float(cosines(axes[:1], mean[None])[0, 0])
    assert cosine in (
        pytest.approx(10 / np.sqrt(10**2 + 2**2), abs=1e-5),
        pytest.approx(10 / np.sqrt(10**2 + 1**2 + 1**2), abs=1e-5),
    )


def test_the_whole_pool_gives_every_label_the_same_prototype(material: Material) -> None:
    means = nearest_means(material.texts, material.pool, len(material.pool))
    np.testing.assert_allclose(means, np.tile(material.pool.mean(axis=0), (N_CLASSES, 1)), atol=1e-6)


@pytest.mark.parametrize("k", [0, -1, 121])
def test_k_outside_the_pool_is_refused(material: Material, k: int) -> None:
    with pytest.raises(ConfigError, match=f"from 1 to the pool's 120 clips, not {k}"):
        proto(k)(material)


def test_the_authors_code_judges_by_distance_to_the_mean_as_it_is(material: Material) -> None:
    means = nearest_means(material.texts, material.pool, 40)
    expected = -np.linalg.norm(material.judged[:, None] - means[None], axis=2)
    np.testing.assert_allclose(euclidean_scores(material.judged, means), expected, atol=1e-5)
    np.testing.assert_allclose(proto(40, euclidean=True)(material), expected, atol=1e-5)


def test_distance_and_cosine_can_disagree() -> None:
    # A long mean somewhat off, and a short one straight ahead.
    clip = np.array([[1.0, 0.0]], np.float32)
    means = np.array([[0.9, 0.3], [0.2, 0.0]], np.float32)
    assert np.argmax(cosines(clip, means)) == 1
    assert np.argmax(euclidean_scores(clip, means)) == 0


def test_labelled_centroids_are_those_of_scikit_learn(material: Material) -> None:
    centroids = NearestCentroid().fit(material.pool, targets(30))
    counts = material.classes.sum(axis=0)
    means = material.classes.T.astype(np.float32) @ material.pool / counts[:, None]
    np.testing.assert_allclose(means, centroids.centroids_, atol=1e-6)
    by_distance = np.argmax(euclidean_scores(material.judged, means), axis=1)
    np.testing.assert_array_equal(by_distance, centroids.predict(material.judged))
    expected = material.judged @ unit(means).T
    np.testing.assert_allclose(supervised_prototypes(material), expected, atol=1e-5)


def test_a_class_without_clips_is_never_the_best(material: Material) -> None:
    classes = material.classes.copy()
    classes[:, 2] = False
    scores = supervised_prototypes(Material(None, material.pool, classes, material.judged, multi_label=False))
    assert (scores[:, 2] == -1.0).all()
    assert 2 not in np.argmax(scores, axis=1)


def test_the_mlp_learns_planted_classes() -> None:
    pytest.importorskip("torch", reason="needs torch, from the extra `export`")
    material = planted_material(400)
    scores = mlp(seed=0)(material)
    np.testing.assert_array_equal(np.argmax(scores, axis=1), targets(20))
    np.testing.assert_array_equal(scores, mlp(seed=0)(material))


def test_a_probability_ranks_as_the_cosine_does() -> None:
    scores = np.linspace(-1, 1, 9, dtype=np.float32)
    assert sigmoid(np.zeros(1, np.float32))[0] == 0.5
    assert (np.diff(sigmoid(scores)) > 0).all()


def test_no_fold_is_judged_by_its_own_clips() -> None:
    # Every fold has a space of its own: what learns from other folds alone can know nothing.
    dataset = small_dataset(N_CLASSES, 3, 10)
    rng = np.random.default_rng(0)
    vectors = planted(dataset)
    for fold in range(3):
        rows = [place for place, clip in enumerate(dataset.clips) if clip.fold == str(fold + 1)]
        turn = np.linalg.qr(rng.standard_normal((vectors.shape[1],) * 2))[0].astype(np.float32)
        vectors[rows] = vectors[rows] @ turn
    judged = judge(all_clips(dataset, vectors), supervised_prototypes, None)
    assert accuracy(judged).overall.value < 0.5
    assert len(judged.places) == len(set(judged.places.tolist())) == len(dataset.clips)
