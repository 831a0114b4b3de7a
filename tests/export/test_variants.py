"""What goes beyond the paper, where the right answer can be worked out."""

from __future__ import annotations

import numpy as np
import pytest

for needed in ("sklearn", "scipy", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `eval`")

from planted_embeddings import directions, planted, planted_texts, small_dataset, unit  # noqa: E402

from export.evaluation.beyond import Candidate, refusal, variant_rows  # noqa: E402
from export.evaluation.judging import all_clips  # noqa: E402
from export.evaluation.methods import Material, nearest_rows, proto, zero_shot  # noqa: E402
from export.evaluation.texts import DEFAULT, TABLE_2  # noqa: E402
from export.evaluation.variants import (  # noqa: E402
    blend,
    disagreeing,
    gap_k,
    proto_several,
    proto_weighted,
    variants,
)

SIZES = (7, 12, 20)


def unequal_pool(noise: float = 0.1) -> np.ndarray:
    """Seven, twelve and twenty clips of three classes."""
    rng = np.random.default_rng(3)
    axes = directions(3)
    rows = np.concatenate([np.tile(axis, (n, 1)) for axis, n in zip(axes, SIZES, strict=True)])
    return unit(rows + noise * unit(rng.standard_normal(rows.shape)))


def material_of(texts: np.ndarray, pool: np.ndarray, judged: np.ndarray) -> Material:
    return Material(texts, pool, np.zeros((len(pool), len(texts)), bool), judged, multi_label=False)


def test_the_gap_finds_how_many_clips_a_label_has() -> None:
    np.testing.assert_array_equal(gap_k(directions(3), unequal_pool(), 2, 30), SIZES)


def test_the_gap_keeps_within_its_limits_and_the_pool() -> None:
    pool = unequal_pool()
    assert set(gap_k(directions(3), pool, 15, 30).tolist()) <= set(range(15, 31))
    assert gap_k(directions(3), pool, 2, 10_000).max() < len(pool)


def test_a_low_temperature_leaves_the_nearest_clip_alone() -> None:
    axes, pool = directions(3), unequal_pool()
    nearest = pool[nearest_rows(axes, pool, 1)[:, 0]]
    scores = proto_weighted(10)(1e-7)(material_of(axes, pool, axes))
    np.testing.assert_allclose(scores, axes @ nearest.T, atol=1e-4)


def test_a_high_temperature_is_the_plain_mean() -> None:
    axes, pool = directions(3), unequal_pool()
    material = material_of(axes, pool, axes)
    np.testing.assert_allclose(proto_weighted(10)(1e4)(material), proto(10)(material), atol=1e-4)


def test_two_centroids_serve_a_label_of_two_sounds() -> None:
    # A label whose clips are of two orthogonal kinds, and a judged clip of the second.
    first, second, other = directions(3)
    pool = np.concatenate([np.tile(v, (10, 1)) for v in (first, second, other)])
    texts = unit(np.stack([first + second, other]))
    material = material_of(texts, pool, second[None])
    one = proto(20)(material)[0, 0]
    two = proto_several(20, seed=0)(2)(material)[0, 0]
    assert one == pytest.approx(np.sqrt(0.5), abs=1e-5)
    assert two == pytest.approx(1.0, abs=1e-5)


def test_a_blend_of_all_text_is_zero_shot_and_of_none_is_proto() -> None:
    texts, pool = planted_texts(3), unequal_pool()
    material = material_of(texts, pool, pool)
    np.testing.assert_allclose(blend(10)(1.0)(material), zero_shot(material), atol=1e-5)
    np.testing.assert_allclose(blend(10)(0.0)(material), proto(10)(material), atol=1e-4)


def test_labels_whose_sound_is_not_in_the_pool_are_refused() -> None:
    dataset = small_dataset(20, 3, 10)
    texts = np.concatenate([planted_texts(20), directions(22)[20:]])
    noted = disagreeing(texts, planted(dataset), 15)
    assert {20, 21} <= set(noted)
    # A label now and then is refused without need: its neighbours vary as much as the rest do.
    assert len(noted) <= 4


def test_refusal_tells_labels_that_are_told_badly() -> None:
    dataset = small_dataset(20, 3, 10)
    vectors, texts = planted(dataset), planted_texts(20)
    texts[2] = directions(22)[21]  # words that mean something else
    found = refusal(Candidate(all_clips(dataset, vectors), texts, None), 15)
    assert found.refused == ("class_2",)
    assert found.kept_figure > 0.9 > found.refused_figure


def candidates() -> dict[str, Candidate]:
    found = {}
    for seed, name in enumerate(("one", "two")):
        dataset = small_dataset(4, 3, 10, name)
        prepared = all_clips(dataset, planted(dataset, noise=2.0, seed=seed))
        found[name] = Candidate(prepared, planted_texts(4, 1.5, seed), planted_texts(4, 0.5, seed))
    return found


def test_what_a_variant_has_to_choose_is_chosen_on_the_other_data_set() -> None:
    both = candidates()
    rows = variant_rows(both, 10, seed=0)
    (family,) = [v for v in variants(10, 0) if v.name == "several centroids"]
    for name, other in (("one", "two"), ("two", "one")):
        figures = {v: variant_figure(both[other], family, v) for v in family.values}
        expected = max(family.values, key=lambda value: figures[value])
        (row,) = [row for row in rows[name] if row.variant == family.name]
        assert row.setting.endswith(f" {expected:g}")


def variant_figure(candidate: Candidate, family, value: float) -> float:
    judged = candidate.judge(family, value)
    return float((judged.predicted == judged.targets).mean())


def test_with_one_data_set_nothing_that_had_to_be_chosen_wins() -> None:
    one = {"one": candidates()["one"]}
    for row in variant_rows(one, 10, seed=0)["one"]:
        if row.variant != "texts of all five prompts":
            assert row.verdict == "not chosen elsewhere"


def test_a_variant_wins_only_if_its_interval_is_clear_of_nothing() -> None:
    for rows in variant_rows(candidates(), 10, seed=0).values():
        for row in rows:
            assert (row.verdict == "wins") == (row.ahead.low > 0)
            assert (row.verdict == "loses") == (row.ahead.high < 0)


def test_texts_of_all_prompts_are_their_mean() -> None:
    dataset = small_dataset(2, 2, 6)
    axes = directions(8)
    sentences = {
        prompt.sentence(name): axes[number]
        for number, prompt in enumerate(TABLE_2)
        for name in dataset.classes
    }
    candidate = Candidate.of(all_clips(dataset, planted(dataset)), sentences)
    np.testing.assert_allclose(candidate.several[0], unit(axes[:5].sum(axis=0)), atol=1e-6)
    np.testing.assert_allclose(candidate.texts[0], axes[TABLE_2.index(DEFAULT)], atol=1e-6)
