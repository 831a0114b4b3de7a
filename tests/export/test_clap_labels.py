"""Labels and backgrounds: their texts, their prototypes, and what a person is shown of them."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")

from edge.labels import check_distinct  # noqa: E402 - after the skip
from edge.manifest import LabelEntry  # noqa: E402
from edge.prototypes import DISAGREE, TEXT_THRESHOLD, Pool, Prototype, from_pool, from_text  # noqa: E402
from export.clap import heard, label_texts  # noqa: E402
from export.clap.architecture import TINY  # noqa: E402
from export.clap.background import BACKGROUND, kin_by_words, rivals_groups  # noqa: E402
from export.clap.checkpoint import Checkpoint  # noqa: E402
from export.clap.encoders import AudioGraph  # noqa: E402
from export.clap.geometry import Image  # noqa: E402
from export.clap.heard import hear  # noqa: E402
from export.clap.label_prototypes import (  # noqa: E402
    kin_by_neighbours,
    make_prototypes,
    nearest_prototypes,
    report,
)
from export.clap.label_texts import LabelTexts, Method, read_texts  # noqa: E402
from export.pool.embed import PoolEmbeddings  # noqa: E402


def kin_of(label: str) -> set[str]:
    (row,) = kin_by_words([label])
    return {sound.name for sound, is_kin in zip(BACKGROUND, row, strict=True) if is_kin}


@pytest.mark.parametrize(
    ("label", "kin"),
    [
        ("dog bark", set()),
        ("water boiling in the wind", {"background water", "background wind"}),
        ("Tapping", set()),
        ("Running_Tap", {"background water"}),
        ("ceiling fans", {"background fan"}),
        ("violin music", {"background music"}),
        ("Windows breaking", set()),
    ],
)
def test_a_label_is_kin_to_the_backgrounds_it_shares_a_word_with(label, kin):
    assert kin_of(label) == kin


@pytest.mark.parametrize("sound", BACKGROUND, ids=lambda sound: sound.name)
def test_a_label_of_a_backgrounds_own_words_is_kin_to_it_and_to_no_other(sound):
    for words in (sound.text, *sound.words):
        assert kin_of(words) == {sound.name}


def entry(name: str, aliases: tuple[str, ...] = ()) -> LabelEntry:
    return LabelEntry(name, "background", aliases, (), None, "proto", 0, {}, None)


@pytest.mark.parametrize(
    ("labels", "dropped"),
    [((), set()), (("dog bark",), set()), (("Music", "typing", "tap"), {"music", "typing", "tap"})],
)
def test_a_background_answers_to_its_words_unless_a_label_does(labels, dropped):
    backgrounds = [entry(sound.name, sound.aliases(labels)) for sound in BACKGROUND]
    check_distinct([*map(entry, labels), *backgrounds])
    answered = {alias for background in backgrounds for alias in background.aliases}
    assert answered == {word for sound in BACKGROUND for word in sound.words} - dropped


def test_labels_and_backgrounds_that_are_kin_share_a_group_and_so_do_their_kin():
    kin = np.zeros((4, 5), bool)
    kin[0, 1] = kin[2, 1] = kin[2, 4] = kin[3, 0] = True
    label_0, label_1, label_2, label_3, *backgrounds = rivals_groups(kin)
    assert label_1 is None
    assert label_0 == label_2 == backgrounds[1] == backgrounds[4]
    assert label_3 == backgrounds[0]
    assert None not in (label_0, label_3)
    assert label_0 != label_3
    assert backgrounds[2:4] == [None, None]


@given(seed=st.integers(0, 2**32 - 1))
def test_a_group_is_just_what_kinship_joins(seed):
    rng = np.random.default_rng(seed)
    n_labels, n_backgrounds = rng.integers(1, 8, 2)
    kin = rng.random((n_labels, n_backgrounds)) < 0.2
    joined = np.eye(n_labels + n_backgrounds, dtype=int)
    joined[:n_labels, n_labels:] = kin
    joined = np.linalg.matrix_power(joined + joined.T, 16) > 0  # kin of kin of kin, to the end
    groups = rivals_groups(kin)
    for one, other in itertools.combinations(range(len(groups)), 2):
        assert (groups[one] is not None and groups[one] == groups[other]) == joined[one, other]
    assert [group is None for group in groups] == (joined.sum(axis=1) == 1).tolist()


def read(
    monkeypatch: pytest.MonkeyPatch, labels: list[str], prompts: list[str], dim: int = 2000
) -> tuple[LabelTexts, list[str]]:
    """Read texts by a text encoder that gives each sentence it meets an axis of its own."""
    met: list[str] = []

    class Tokenizer:
        def __init__(self, path: Path, max_tokens: int) -> None:
            assert (path.name, max_tokens) == ("tokenizer.json", 77)

        def tokens(self, sentence: str) -> list[int]:
            met.append(sentence)
            return [0, len(met), 2]

    def embed(state, token_ids, layer_norm_eps) -> np.ndarray:
        assert state == {"weight": 1}
        assert layer_norm_eps == TINY.text_layer_norm_eps
        return np.eye(dim, dtype=np.float32)[[ids[1] for ids in token_ids]]

    monkeypatch.setattr(label_texts, "TextTokenizer", Tokenizer)
    monkeypatch.setattr(label_texts, "embed_texts", embed)
    checkpoint = Checkpoint({"weight": 1}, TINY, None, "", "", "", None)
    return read_texts(checkpoint, Path("tokenizer.json"), labels, prompts, "proto", 35), met


def test_labels_come_first_then_backgrounds_each_in_all_prompts(monkeypatch):
    texts, met = read(monkeypatch, ["Dog_Bark", "rain"], ["{label}", "I can hear {label}"])
    assert met[:4] == ["Dog bark", "I can hear dog bark", "Rain", "I can hear rain"]
    assert met[4:6] == ["People talking", "I can hear people talking"]
    assert texts.sentences == tuple(met)
    assert texts.labels == ("Dog_Bark", "rain")
    assert len(texts.embeddings) == 2 + len(BACKGROUND)
    assert (texts.method, texts.k) == ("proto", 35)


def test_a_labels_text_is_the_unit_mean_of_its_own_prompts(monkeypatch):
    prompts = ["{label}", "I can hear {label}", "This is {label}"]
    texts, met = read(monkeypatch, ["siren"], prompts)
    n_words = 1 + len(BACKGROUND)
    assert texts.embeddings.shape[0] == n_words
    assert len(met) == 3 * n_words
    for word, embedding in enumerate(texts.embeddings):
        # Sentence n has axis n + 1.
        assert np.flatnonzero(embedding).tolist() == [3 * word + 1, 3 * word + 2, 3 * word + 3]
    np.testing.assert_allclose(np.linalg.norm(texts.embeddings, axis=1), 1.0, atol=1e-6)
    np.testing.assert_array_equal(np.argmax(texts.sentence_embeddings, axis=1), np.arange(3 * n_words) + 1)
    assert texts.embeddings.dtype == texts.sentence_embeddings.dtype == np.float32


def texts_of(embeddings: np.ndarray, method: Method, k: int = 3) -> LabelTexts:
    """Two labels, the rest backgrounds."""
    return LabelTexts(("dog bark", "kettle whistle"), embeddings, (), embeddings, method, k)


@pytest.fixture
def embeddings(rng) -> np.ndarray:
    vectors = rng.standard_normal((4, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def pool(rng) -> Pool:
    vectors = rng.standard_normal((24, 8)).astype(np.float32)
    return Pool(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.arange(24), tuple(map(str, range(24)))
    )


def test_with_a_pool_prototypes_are_made_of_its_recordings(embeddings, pool):
    made = make_prototypes(texts_of(embeddings, "proto"), pool)
    assert len(made) == 4
    for text, prototype in zip(embeddings, made, strict=True):
        assert prototype.rows.tolist() == from_pool(text, pool, 3).rows.tolist()


def test_by_zero_shot_prototypes_are_the_texts_with_a_pool_or_without(embeddings, pool):
    for maybe in (pool, None):
        made = make_prototypes(texts_of(embeddings, "zero-shot"), maybe)
        np.testing.assert_array_equal([prototype.vector for prototype in made], embeddings)
        thresholds = [prototype.threshold for prototype in made]
        assert thresholds == [from_text(text, maybe).threshold for text in embeddings]
    assert thresholds == [TEXT_THRESHOLD] * 4


def test_a_background_that_is_as_near_to_a_labels_neighbours_is_its_kin(pool):
    # One background has the first label's own text, the other is far from both.
    first, second = np.eye(8, dtype=np.float32)[:2]
    texts = texts_of(np.array([first, second, first, -first - second]), "proto", 5)
    made = make_prototypes(texts, pool)
    assert kin_by_neighbours(made, 2, pool).tolist() == [[True, False], [False, False]]
    assert kin_by_neighbours(made, 2, None).tolist() == [[False, False], [False, False]]


def test_the_nearest_prototype_is_that_of_the_highest_cosine(embeddings):
    made = make_prototypes(texts_of(embeddings, "zero-shot"), None)
    turned = embeddings[[2, 0, 3, 3, 1]]
    assert nearest_prototypes(turned, made).tolist() == [2, 0, 3, 3, 1]


def prototype(
    n_rows: int = 35, threshold: float = 0.5, headroom: float | None = 0.25, note: str | None = None
) -> Prototype:
    return Prototype(np.eye(8, dtype=np.float32)[0], np.arange(n_rows), threshold, headroom, note)


def test_the_report_has_a_line_for_each_label_and_none_for_backgrounds(embeddings):
    made = [prototype(35, 0.4567, 0.25), prototype(7, -0.0312, 0.0312), prototype(), prototype()]
    head, first, second = report(texts_of(embeddings, "proto"), made, "int8")
    assert head.split() == ["label", "recordings", "threshold", "headroom", "(int8)"]
    assert first.split() == ["dog", "bark", "35", "0.457", "+0.250"]
    assert second.split() == ["kettle", "whistle", "7", "-0.031", "+0.031"]
    assert first.index("0.457") + len("0.457") == second.index("-0.031") + len("-0.031")


def test_the_report_marks_each_label_to_beware_of_and_says_why_once(embeddings):
    weak = prototype(headroom=-0.1, note=DISAGREE)
    lines = report(texts_of(embeddings, "proto"), [weak, weak, prototype(note="of a background")], "fp32")
    assert [line.endswith("  !") for line in lines] == [False, True, True, False]
    assert lines[3:] == [f"! {DISAGREE}"]


def test_the_report_says_what_rests_on_text_alone(embeddings):
    made = [prototype(0, 0.4, None)] * 4
    _, first, _ = report(texts_of(embeddings, "zero-shot"), made, "int8")
    assert first.split() == ["dog", "bark", "text", "only", "0.400"]


def embedded(pool: Pool) -> PoolEmbeddings:
    return PoolEmbeddings({"int8": pool}, (), (), 0, 0)


GRAPH = AudioGraph("int8", Image.WHOLE, Path("audio_encoder.onnx"))


def test_without_a_pool_nothing_of_one_is_used(embeddings):
    found = hear(GRAPH, texts_of(embeddings, "zero-shot"), None, with_pool=False)
    assert found.pool is None
    assert found.used.tolist() == []
    assert not found.kin.any()
    assert len(found.prototypes) == 4


def test_a_pool_that_stays_behind_is_used_for_its_neighbours_only(embeddings, pool):
    found = hear(GRAPH, texts_of(embeddings, "proto"), embedded(pool), with_pool=False)
    assert found.pool is None
    rows = {int(row) for prototype in found.prototypes for row in prototype.rows}
    assert found.used.tolist() == sorted(rows)


def test_a_pool_that_goes_along_is_used_whole(embeddings, pool):
    found = hear(GRAPH, texts_of(embeddings, "proto"), embedded(pool), with_pool=True)
    np.testing.assert_array_equal(found.pool.embeddings, pool.embeddings)
    assert found.pool.recording.tolist() == pool.recording.tolist()
    assert found.pool.names == pool.names
    assert found.used.tolist() == list(range(24))


def test_of_a_large_pool_a_part_goes_along_with_its_own_numbers(embeddings, pool, monkeypatch):
    monkeypatch.setattr(heard, "MAX_POOL_WINDOWS", 10)
    long = Pool(pool.embeddings, np.repeat(np.arange(12), 2), pool.names[:12])
    found = hear(GRAPH, texts_of(embeddings, "proto"), embedded(long), with_pool=True)
    kept = found.pool
    assert 8 <= len(kept.embeddings) <= 20
    assert sorted(set(kept.recording)) == list(range(len(kept.names)))
    for row, embedding in zip(kept.recording, kept.embeddings, strict=True):
        (before,) = np.flatnonzero((long.embeddings == embedding).all(axis=1))
        assert kept.names[row] == long.names[long.recording[before]]
    # Prototypes are of the whole pool, and what they hold is used.
    neighbours = {int(long.recording[row]) for prototype in found.prototypes for row in prototype.rows}
    assert set(found.used.tolist()) == neighbours | {int(name) for name in kept.names}


def test_of_a_pool_with_one_recording_far_longer_than_the_others_these_go_along_too(
    embeddings, pool, monkeypatch
):
    monkeypatch.setattr(heard, "MAX_POOL_WINDOWS", 10)
    n_windows = [len(pool.embeddings) - 8, *[1] * 8]
    long = Pool(pool.embeddings, np.repeat(np.arange(9), n_windows), pool.names[:9])
    found = hear(GRAPH, texts_of(embeddings, "proto"), embedded(long), with_pool=True)
    assert found.pool.names == long.names
