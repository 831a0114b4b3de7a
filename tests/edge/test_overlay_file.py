"""An overlay as a file."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from overlay_material import CREATED, ENCODER, assert_same, full_overlay, own_sound, unit_rows

from edge.errors import BundleError
from edge.labels import fold
from edge.overlay.content import EnrolledSound, Overlay, SiteBackground
from edge.overlay.file import MAX_OVERLAY_BYTES, overlay_bytes, parse_overlay

ADVICE = "go back with: edge-listen overlay rollback"

texts = st.text(max_size=12)
label_names = st.text(min_size=1, max_size=12).filter(lambda name: name.isprintable() and bool(fold(name)))
thresholds = st.floats(-1, 1, allow_subnormal=False)
positive = st.floats(1e-6, 1e9)


@st.composite
def overlays(draw: st.DrawFn) -> Overlay:
    dim = draw(st.integers(1, 40))
    rows = st.builds(unit_rows, st.integers(1, 5), st.just(dim), st.integers(0, 1000))
    sounds = []
    for name in draw(st.lists(label_names, max_size=4, unique_by=fold)):
        vectors = draw(rows)
        made_from = tuple(draw(texts) for _ in vectors)
        clips = tuple(draw(st.lists(texts, max_size=3)))
        sounds.append(EnrolledSound(name, vectors, made_from, clips, draw(thresholds), CREATED))
    levels = st.floats(-200, 10, allow_subnormal=False)
    sites = st.builds(SiteBackground, rows, st.just(CREATED), positive, levels)
    rates = {name: draw(positive) for name in draw(st.lists(label_names, max_size=3, unique_by=fold))}
    return Overlay(ENCODER, tuple(sounds), draw(st.none() | sites), rates)


@given(overlays())
def test_it_comes_back_as_it_was_to_the_last_bit(overlay: Overlay) -> None:
    data = overlay_bytes(overlay)
    read = parse_overlay(data, "file")
    assert_same(read, overlay)
    assert overlay_bytes(read) == data


def test_an_empty_one_comes_back() -> None:
    assert_same(parse_overlay(overlay_bytes(Overlay(ENCODER)), "file"), Overlay(ENCODER))


def test_a_clip_whose_name_is_not_text_comes_back() -> None:
    sound = replace(own_sound("our doorbell", 1), clips=("ring\udcff.wav",))
    read = parse_overlay(overlay_bytes(Overlay(ENCODER, (sound,))), "file")
    assert read.sounds[0].clips == sound.clips


def test_three_hundred_prototypes_take_less_than_a_megabyte() -> None:
    overlay = Overlay(ENCODER, (own_sound("our doorbell", 300, dim=512),))
    assert len(overlay_bytes(overlay)) < 1_000_000


@given(st.data())
def test_a_changed_byte_is_found_wherever_it_is(data: st.DataObject) -> None:
    whole = overlay_bytes(full_overlay())
    place = data.draw(st.integers(0, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(BundleError, match="^there cannot be used: .*; " + ADVICE):
        parse_overlay(bytes(damaged), "there")


@given(st.integers(0, len(overlay_bytes(full_overlay())) - 1))
def test_a_part_of_one_is_refused(n_bytes: int) -> None:
    with pytest.raises(BundleError, match="damaged"):
        parse_overlay(overlay_bytes(full_overlay())[:n_bytes], "there")


def signed(content: bytes, version: int = 1) -> bytes:
    return f"edge-listen overlay {version} {hashlib.sha256(content).hexdigest()}\n".encode() + content


def refusal(data: bytes) -> str:
    with pytest.raises(BundleError) as caught:
        parse_overlay(data, "there")
    message = str(caught.value)
    assert message.startswith("there cannot be used: ")
    assert message.endswith(f"; {ADVICE}")
    assert message.isprintable()
    return message


def test_a_newer_one_is_told_from_a_damaged_one() -> None:
    assert "newer version" in refusal(signed(b"what is not known yet", version=2))
    assert "unknown format 0" in refusal(signed(b"{}", version=0))


@pytest.mark.parametrize("content", [b"", b"\xff", b"{", b"[" * 100_000, b"[]", b"null", b"{}", b"1"])
def test_what_is_signed_but_no_overlay_is_refused(content: bytes) -> None:
    refusal(signed(content))


def test_one_too_large_is_refused_unread() -> None:
    assert "larger than 8 MiB" in refusal(signed(b" " * MAX_OVERLAY_BYTES))


def test_the_advice_can_be_another() -> None:
    with pytest.raises(BundleError, match=r"; copy it again$"):
        parse_overlay(b"", "there", "copy it again")


def row(*numbers: float) -> str:
    return base64.b64encode(np.array(numbers, "<f4").tobytes()).decode()


def set_sound(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain["sounds"][0].update(values)


def set_site(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain["site"].update(values)


def set_top(**values: object) -> Callable[[dict[str, Any]], None]:
    return lambda plain: plain.update(values)


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "no hash": (set_top(encoder_sha256="../../etc"), "encoder_sha256 is not a hash"),
    "no sounds": (set_top(sounds=None), "sounds must be a list"),
    "unknown key": (set_top(more=1), "unknown key more"),
    "missing key": (lambda plain: plain.pop("site"), "key site is missing"),
    "empty name": (set_sound(name=""), '"" is no name of a sound'),
    "name without letters": (set_sound(name=" _-"), "is no name of a sound"),
    "name of two lines": (set_sound(name="a\nb"), r'"a\nb" is no name of a sound'),
    "same name": (set_sound(name="DAS_öltor"), 'two sounds called "das Öltor"'),
    "threshold above 1": (set_sound(threshold=1.01), 'threshold of "our doorbell" must be within -1 and 1'),
    "threshold below -1": (set_sound(threshold=-1.01), "must be within -1 and 1"),
    "threshold not finite": (set_sound(threshold=float("nan")), "threshold must be a finite number"),
    "threshold a text": (set_sound(threshold="0.5"), "threshold must be a finite number"),
    "no prototypes": (set_sound(vectors=[], made_from=[]), 'prototypes of "our doorbell" are not vectors'),
    "made from less": (set_sound(made_from=["ring0.wav"]), "must say of each prototype"),
    "no base64": (set_sound(vectors=["?" * 4] * 2), "not vectors of one size"),
    "half a number": (set_sound(vectors=["AAAA"] * 2), "not vectors of one size"),
    "two sizes in one": (set_sound(vectors=[row(1, 0), row(1)]), "not vectors of one size"),
    "two sizes": (set_sound(vectors=[row(1, 0)] * 2), "have 2 and 16 numbers"),
    "two sizes with the site": (set_site(vectors=[row(1, 0)]), "have 2 and 16 numbers"),
    "norm 0": (set_sound(vectors=[row(*[0] * 16)] * 2), 'prototype of "our doorbell" has not norm 1'),
    "norm 1.01": (set_sound(vectors=[row(1.01, *[0] * 15)] * 2), "has not norm 1"),
    "not a number": (set_sound(vectors=[row(float("nan"), *[0] * 15)] * 2), "has not norm 1"),
    "infinite": (set_site(vectors=[row(float("inf"), *[0] * 15)]), "of the site's background has not norm 1"),
    "site of nothing": (set_site(heard_s=0.0), "more than 0 s"),
    "site of infinite level": (set_site(level_dbfs=float("-inf")), "level_dbfs must be a finite number"),
    "rate 0": (set_top(false_alarms={"dog bark": 0}), 'of "dog bark" must be above 0, not 0'),
    "rate for nothing": (set_top(false_alarms={"-": 1}), '"-" is no name'),
    "two rates": (
        set_top(false_alarms={"dog bark": 1, "Dog_bark": 2}), 'two calibrated labels called "Dog_bark"'),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_check_names_what_is_wrong(damage: str) -> None:
    change, expected = DAMAGES[damage]
    plain = json.loads(overlay_bytes(full_overlay()).partition(b"\n")[2])
    change(plain)
    assert expected in refusal(signed(json.dumps(plain).encode()))


def test_the_file_of_these_tests_is_good_before_it_is_damaged() -> None:
    plain = json.loads(overlay_bytes(full_overlay()).partition(b"\n")[2])
    assert_same(parse_overlay(signed(json.dumps(plain).encode()), "there"), full_overlay())
