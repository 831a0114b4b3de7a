"""Figures of parity in cases whose answer can be written down, and what lies beyond the limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from export.parity import (
    FP32_LIMITS,
    INT8_LIMITS,
    Limits,
    Measured,
    Parity,
    ParityError,
    beyond,
    compare,
    measure,
    measure_agreement,
)

PERFECT = Parity(max_abs=0.0, cosine_mean=1.0, cosine_min=1.0, centred_cosine=1.0)


def at_angles(*degrees: float) -> np.ndarray:
    """Unit vectors in a plane, (n, 2) float32."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_an_encoder_is_perfectly_like_itself(rng):
    embeddings = rng.standard_normal((5, 16)).astype(np.float32)
    found = compare(embeddings, embeddings)
    assert found.max_abs == 0.0
    np.testing.assert_allclose(list(vars(found).values()), list(vars(PERFECT).values()), atol=1e-12)


def test_embeddings_turned_by_an_angle_have_its_cosine_centred_or_not():
    degrees = (0.0, 50.0, 170.0)
    found = compare(at_angles(*(d + 10.0 for d in degrees)), at_angles(*degrees))
    cosine = np.cos(np.radians(10.0))
    assert found.cosine_mean == pytest.approx(cosine, abs=1e-6)
    assert found.cosine_min == pytest.approx(cosine, abs=1e-6)
    assert found.centred_cosine == pytest.approx(cosine, abs=1e-6)


def test_the_lowest_cosine_is_that_of_the_worst_clip_and_the_greatest_difference_of_any_component():
    found = compare(at_angles(0.0, 90.0, 180.0, 330.0), at_angles(0.0, 90.0, 180.0, 270.0))
    assert found.cosine_min == pytest.approx(0.5, abs=1e-6)
    assert found.cosine_mean == pytest.approx(3.5 / 4.0, abs=1e-6)
    assert found.max_abs == pytest.approx(np.sqrt(3.0) / 2.0, abs=1e-6)


def test_what_all_clips_share_hides_in_the_plain_cosine_what_the_centred_one_shows():
    # Two clips a degree either side of a common direction, and an encoder that takes each for the other.
    found = compare(at_angles(1.0, -1.0), at_angles(-1.0, 1.0))
    assert found.cosine_mean == pytest.approx(np.cos(np.radians(2.0)), abs=1e-6)
    assert found.centred_cosine == pytest.approx(-1.0, abs=1e-6)


def test_an_offset_common_to_all_clips_shows_in_the_plain_cosine_and_not_in_the_centred_one(rng):
    expected = rng.standard_normal((20, 16)).astype(np.float32)
    found = compare(expected + np.float32(10.0), expected)
    assert found.cosine_mean < 0.5
    assert found.centred_cosine == pytest.approx(1.0, abs=1e-5)
    assert found.max_abs == pytest.approx(10.0, abs=1e-5)


def test_of_one_clip_there_is_no_centred_cosine_to_fall_short_of():
    found = compare(at_angles(60.0), at_angles(0.0))
    assert found.cosine_min == pytest.approx(0.5, abs=1e-6)
    assert found.centred_cosine == 1.0


def test_clips_that_all_embed_alike_are_no_difference():
    same = at_angles(30.0, 30.0)
    assert compare(same, same).centred_cosine == 1.0


def test_an_encoder_that_embeds_every_clip_alike_is_not_like_one_that_tells_them_apart():
    clips = at_angles(1.0, -1.0)
    assert compare(at_angles(0.0, 0.0), clips).centred_cosine == 0.0
    assert compare(clips, at_angles(0.0, 0.0)).centred_cosine == 0.0


def test_embeddings_that_are_no_numbers_are_like_nothing():
    found = compare(np.full((2, 3), np.nan, np.float32), np.eye(2, 3, dtype=np.float32))
    assert np.isnan(list(vars(found).values())).all()
    assert len(beyond(found, FP32_LIMITS)) == len(beyond(found, INT8_LIMITS)) == 2


def test_limits_are_the_ones_that_are_promised():
    assert Limits(max_abs=1e-5, cosine_min=0.99999) == FP32_LIMITS
    assert Limits(cosine_mean=0.995, centred_cosine=0.99) == INT8_LIMITS


@pytest.mark.parametrize(
    ("name", "limit", "word"),
    [
        ("max_abs", 1e-5, "above"),
        ("cosine_mean", 0.995, "below"),
        ("cosine_min", 0.99999, "below"),
        ("centred_cosine", 0.99, "below"),
    ],
)
def test_a_figure_at_its_limit_is_within_it_and_one_past_it_is_named(name, limit, word):
    limits = Limits(**{name: limit})
    past = np.nextafter(limit, 1.0 if word == "above" else 0.0)
    assert beyond(replace(PERFECT, **{name: limit}), limits) == []
    (words,) = beyond(replace(PERFECT, **{name: float(past)}), limits)
    assert words.startswith(f"{name} ")
    assert words.endswith(f" is {word} {limit:g}")
    assert beyond(replace(PERFECT, **{name: float(past)}), Limits()) == []


@pytest.mark.parametrize("name", ["max_abs", "cosine_mean", "cosine_min", "centred_cosine"])
def test_a_figure_that_is_no_number_is_beyond_its_limit(name):
    limits = Limits(max_abs=1.0, cosine_mean=0.0, cosine_min=0.0, centred_cosine=0.0)
    (words,) = beyond(replace(PERFECT, **{name: float("nan")}), limits)
    assert words.startswith(f"{name} nan")


def test_figures_are_named_by_what_was_compared_with_what():
    measured = measure("int8", "fp32", at_angles(60.0), at_angles(0.0), INT8_LIMITS)
    assert measured.figures == {
        "int8_to_fp32_max_abs": 0.866025,
        "int8_to_fp32_cosine_mean": 0.5,
        "int8_to_fp32_cosine_min": 0.5,
        "int8_to_fp32_centred_cosine": 1.0,
    }
    assert measured.beyond_limits == ("int8 to fp32: cosine_mean 0.5 is below 0.995",)


def test_three_of_a_hundred_clips_may_be_nearest_to_another_prototype_and_four_may_not():
    expected = np.arange(100)
    three, four = (np.where(expected < n, -1, expected) for n in (3, 4))
    assert measure_agreement("int8", "fp32", three, expected) == Measured({"int8_to_fp32_agreement": 0.97})
    too_low = measure_agreement("int8", "fp32", four, expected)
    assert too_low.figures == {"int8_to_fp32_agreement": 0.96}
    assert too_low.beyond_limits == ("int8 to fp32: agreement 0.96 is below 0.97",)


def test_an_agreement_just_below_the_limit_does_not_read_like_the_limit():
    (words,) = measure_agreement("int8", "fp32", np.arange(33) // 32, np.zeros(33, int)).beyond_limits
    assert words == "int8 to fp32: agreement 0.9697 is below 0.97"


def test_measurements_add_up():
    both = Measured({"a": 1.0}, ("x",)) + Measured({"b": "two"}, ("y", "z"))
    assert both == Measured({"a": 1.0, "b": "two"}, ("x", "y", "z"))


def test_what_is_within_its_limits_is_accepted_as_it_is():
    measured = Measured({"a": 1.0})
    assert measured.accepted(overrule=False) == measured
    assert measured.accepted(overrule=True) == measured


def test_what_is_beyond_its_limits_is_refused_in_one_line_that_names_all_of_it():
    with pytest.raises(ParityError) as refused:
        Measured({}, ("x is above 1", "y is below 2")).accepted(overrule=False)
    message = str(refused.value)
    assert "x is above 1; y is below 2" in message
    assert "--accept-parity" in message
    assert "\n" not in message


def test_what_is_accepted_beyond_its_limits_says_so_in_the_manifest_and_the_log(caplog):
    accepted = Measured({"a": 1.0}, ("x is above 1", "y is below 2")).accepted(overrule=True)
    assert accepted.figures == {"a": 1.0, "accepted_although": "x is above 1; y is below 2"}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "x is above 1; y is below 2" in caplog.text
