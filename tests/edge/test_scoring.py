from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.scoring import PrototypeSet, rivals_of, scores


@pytest.fixture
def prototypes(rng) -> PrototypeSet:
    vectors = rng.standard_normal((7, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return PrototypeSet(
        vectors=vectors.astype(np.float32),
        owners=np.array([0, 1, 1, 1, 2, 3, 3]),
        names=("dog bark", "siren", "rain", "hum"),
        background=(False, False, True, True),
        rivals_groups=("animal", None, "water", None),
    )


def test_a_names_score_is_the_best_cosine_among_its_prototypes(prototypes, rng):
    embedding = rng.standard_normal(16)
    embedding = (embedding / np.linalg.norm(embedding)).astype(np.float32)
    found = scores(embedding, prototypes)
    for index in range(4):
        own = [
            v @ embedding for v, o in zip(prototypes.vectors, prototypes.owners, strict=True) if o == index
        ]
        assert found[index] == pytest.approx(max(own), abs=1e-6)
    assert (found.shape, found.dtype) == ((4,), np.float32)


def test_a_prototype_itself_scores_one(prototypes):
    found = scores(prototypes.vectors[2], prototypes)
    assert found[1] == pytest.approx(1.0, abs=1e-6)
    assert np.argmax(found) == 1


def test_many_embeddings_are_scored_as_each_alone(prototypes):
    together = scores(prototypes.vectors, prototypes)
    alone = np.stack([scores(vector, prototypes) for vector in prototypes.vectors])
    assert together.shape == (7, 4)
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_background_rivals_are_the_background_names_and_all_rivals_every_other_name(prototypes):
    assert rivals_of(prototypes, 0, "background").tolist() == [2, 3]
    assert rivals_of(prototypes, 0, "all").tolist() == [1, 2, 3]
    assert rivals_of(prototypes, 0, "none").tolist() == []
    assert rivals_of(prototypes, 2, "background").tolist() == [3]


def test_a_rivals_group_keeps_its_names_from_vetoing_each_other(prototypes):
    kin = replace(prototypes, rivals_groups=("barking", "barking", "barking", None))
    assert rivals_of(kin, 0, "all").tolist() == [3]
    assert rivals_of(kin, 0, "background").tolist() == [3]
    assert rivals_of(kin, 3, "all").tolist() == [0, 1, 2]


def test_names_without_a_group_are_no_kin_of_each_other(prototypes):
    assert rivals_of(prototypes, 1, "all").tolist() == [0, 2, 3]


def spoiled(vectors: np.ndarray, value: float) -> np.ndarray:
    vectors = vectors.copy()
    vectors[3, 5] = value
    return vectors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"vectors": p.vectors.astype(np.float64)}, "float32"),
        (lambda p: {"vectors": p.vectors[0]}, "n_prototypes, embedding_dim"),
        (lambda p: {"vectors": p.vectors[:0], "owners": p.owners[:0]}, "n_prototypes, embedding_dim"),
        (lambda p: {"vectors": spoiled(p.vectors, np.nan)}, "not finite"),
        (lambda p: {"vectors": spoiled(p.vectors, 2.0)}, "vector 3 has norm"),
        (lambda p: {"owners": p.owners[:-1]}, r"must be \(7,\) integers"),
        (lambda p: {"owners": p.owners.astype(np.float32)}, "integers"),
        (lambda p: {"owners": p.owners[::-1]}, "ascending"),
        (lambda _: {"owners": np.array([0, 1, 1, 1, 3, 3, 3])}, "each of 0 to 3"),
        (lambda _: {"owners": np.array([0, 1, 1, 2, 3, 4, 4])}, "each of 0 to 3"),
        (lambda _: {"owners": np.array([-1, 0, 1, 1, 2, 3, 3])}, "each of 0 to 3"),
        (lambda _: {"names": ("dog bark", "siren", "rain", "rain")}, "the same"),
        (lambda _: {"background": (True,)}, "1 background marks"),
        (lambda _: {"rivals_groups": ()}, "0 rivals groups"),
    ],
)
def test_a_set_whose_parts_do_not_fit_is_refused(prototypes, change, message):
    with pytest.raises(ValueError, match=message):
        replace(prototypes, **change(prototypes))
