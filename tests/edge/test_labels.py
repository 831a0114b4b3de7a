"""A person's words and the labels that they mean."""

from __future__ import annotations

import pytest

from edge.errors import BundleError, LabelError
from edge.labels import (
    check_distinct,
    find_label,
    is_kin,
    is_name,
    likely_meant,
    parse_label_list,
    resolve_labels,
)
from edge.manifest import LabelEntry


def label(name: str, *aliases: str, dataset: tuple[str, ...] = (), kind: str = "label") -> LabelEntry:
    thresholds = {"fp32": 0.5} if kind == "label" else {}
    return LabelEntry(name, kind, aliases, dataset, None, "clips", 1, thresholds, None)  # type: ignore[arg-type]


LABELS = (
    label("dog bark", "barking dog", "dog", dataset=("dog_bark",)),
    label("baby cry", dataset=("crying_baby",)),
    label("siren", "ambulance"),
    label("glass breaking", "shattering glass"),
    label("church bells", "bell"),
    label("bus"),
    label("door, slammed", "door slam"),
    label("rain", "rainfall", kind="background"),
)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("dog bark", "dog bark"),
        ("  Dog   BARK ", "dog bark"),
        ("dog_bark", "dog bark"),
        ("Dog-Bark", "dog bark"),
        ("dog barks", "dog bark"),
        ("Dogs Bark", "dog bark"),
        ("dogs", "dog bark"),
        ("crying_baby", "baby cry"),
        ("baby cries", "baby cry"),
        ("crying babies", "baby cry"),
        ("Ambulances", "siren"),
        ("buses", "bus"),
        ("church bell", "church bells"),
        ("glasses breaking", "glass breaking"),
        ("door slams", "door, slammed"),
        ("\uff44\uff4f\uff47", "dog bark"),
    ],
)
def test_words_resolve_whatever_their_case_spacing_and_number(words: str, name: str) -> None:
    assert resolve_labels([words], LABELS) == [name]


def test_order_is_kept_and_a_label_asked_for_twice_comes_once() -> None:
    assert resolve_labels(["siren", "dog", "Sirens", "dog bark"], LABELS) == ["siren", "dog bark"]


def test_a_miss_names_the_nearest_labels_and_the_way_to_see_all() -> None:
    with pytest.raises(LabelError) as caught:
        resolve_labels(["dgo bark"], LABELS)
    assert str(caught.value).startswith('no label "dgo bark"; nearest: dog bark')
    assert str(caught.value).endswith("; see all with: edge-listen labels")
    assert caught.value.exit_code == 2


def test_a_misspelt_alias_leads_to_the_name_of_its_label() -> None:
    with pytest.raises(LabelError, match='no label "ambulence"; nearest: siren; see all'):
        resolve_labels(["ambulence"], LABELS)


def test_a_label_that_shares_a_word_is_near() -> None:
    with pytest.raises(LabelError, match=r"nearest: .*glass breaking"):
        resolve_labels(["window glass falling down"], LABELS)


def test_where_nothing_is_near_nothing_is_named() -> None:
    with pytest.raises(LabelError, match=r'^no label "zzzzqqq"; see all with: edge-listen labels$'):
        resolve_labels(["zzzzqqq"], LABELS)


def test_advice_on_what_to_do_about_a_miss_comes_last() -> None:
    with pytest.raises(LabelError, match=r"; see all with: edge-listen labels; export it$"):
        resolve_labels(["zzzzqqq"], LABELS, "export it")


def test_words_find_a_label_before_a_background_and_else_nothing() -> None:
    labels = (*LABELS, label("showers", "rainfall"))
    for words, name in {"dogs": "dog bark", "rain": "rain", "Rainfall": "showers"}.items():
        found = find_label(words, labels)
        assert found is not None
        assert found.name == name
    assert find_label("kettle whistle", labels) is None


@pytest.mark.parametrize(
    ("words", "kin"),
    [
        ("music", [True, False]),
        ("Violin_Music", [True, False]),
        ("love songs", [True, False]),
        ("running tap water", [False, True]),
        ("music and running waters", [True, True]),
        ("running shoes", [False, False]),
        ("musical clock", [False, False]),
    ],
)
def test_a_label_that_holds_a_word_of_a_sound_is_kin_to_it(words: str, kin: list[bool]) -> None:
    assert [is_kin(words, aliases) for aliases in (("Music", "song"), ("running water",))] == kin


def test_a_name_is_told_from_an_alias() -> None:
    rain = LABELS[-1]
    assert is_name("Rains", rain)
    assert not is_name("rainfall", rain)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("dgo bark", "dog bark"),
        ("ambulanse", "siren"),
        ("Glass_braking", "glass breaking"),
        ("dog growl", None),
        ("cat cry", None),
        ("train", None),
        ("rian", None),
    ],
)
def test_only_a_slip_of_the_finger_is_taken_for_another_label(words: str, name: str | None) -> None:
    assert likely_meant(words, LABELS) == name


def test_at_most_three_are_named_and_never_a_background() -> None:
    labels = (*(label(f"drum number {n}") for n in "abcde"), label("drum number x", kind="background"))
    with pytest.raises(LabelError) as caught:
        resolve_labels(["drum number y"], labels)
    near = str(caught.value).split("nearest: ")[1].split(";")[0].split(", ")
    assert len(near) == 3
    assert "drum number x" not in near


@pytest.mark.parametrize("words", ["rain", "Rainfall", "rains"])
def test_a_background_cannot_be_listened_for_and_says_so(words: str) -> None:
    with pytest.raises(LabelError, match="is a background sound of this bundle"):
        resolve_labels([words], LABELS)


def test_an_exact_word_wins_over_a_plural() -> None:
    labels = (label("glass"), label("glasses"), label("spectacle", "glass es"))
    assert resolve_labels(["glass"], labels) == ["glass"]
    assert resolve_labels(["Glasses"], labels) == ["glasses"]


def test_a_plural_of_two_labels_asks_which() -> None:
    with pytest.raises(LabelError, match='"baths" may mean bath or bathes; say which'):
        resolve_labels(["baths"], (label("bath"), label("bathes", "bathss")))


@pytest.mark.parametrize("words", [[], [""], ["  "], ["_"], ["siren", ""]])
def test_no_words_are_refused(words: list[str]) -> None:
    with pytest.raises(LabelError, match="see all with"):
        resolve_labels(words, LABELS)


def test_the_message_stays_one_line_whatever_was_typed() -> None:
    with pytest.raises(LabelError) as caught:
        resolve_labels(["one\ntwo\x1b[31m"], LABELS)
    assert str(caught.value).isprintable()


def test_lists_are_split_at_commas_and_joined_over_repetitions() -> None:
    assert parse_label_list(["dog bark, siren", "bus"], LABELS) == ["dog bark", "siren", "bus"]


def test_an_argument_that_is_a_label_is_not_split_at_its_commas() -> None:
    arguments = parse_label_list(["Door, slammed", "siren"], LABELS)
    assert resolve_labels(arguments, LABELS) == ["door, slammed", "siren"]


@pytest.mark.parametrize("argument", ["", ",", "siren,", ",siren", "siren,,bus", " , "])
def test_an_empty_name_in_a_list_is_refused(argument: str) -> None:
    with pytest.raises(LabelError, match="empty label name in"):
        parse_label_list([argument], LABELS)


def test_labels_that_answer_to_the_same_words_are_refused() -> None:
    check_distinct(LABELS)
    with pytest.raises(BundleError, match='"dog bark" and "hound" both answer to "Dog-Bark"'):
        check_distinct((*LABELS, label("hound", "Dog-Bark")))
    with pytest.raises(BundleError, match='"rain" and "shower" both answer to "RAIN"'):
        check_distinct((*LABELS, label("shower", "RAIN")))


def test_a_label_may_repeat_its_own_words() -> None:
    check_distinct((label("dog bark", "Dog Bark", dataset=("dog_bark",)),))
