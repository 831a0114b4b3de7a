"""The text encoder: its tokens are RoBERTa's, and what it says where it cannot run."""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from brute_force_bpe import BruteForceTokenizer
from onnx import TensorProto, helper, numpy_helper
from synthetic_bundle import encoder_onnx

from edge.errors import BundleError, EncoderError, LabelError
from edge.text_encoder import TextEncoder, TextTokenizer

MAX_TOKENS = 77
EMBEDDING_DIM = 8

GOLDEN_IDS = {
    "a dog barking": [0, 102, 2335, 35828, 2],
    "rain": [0, 9946, 2],
    "music": [0, 28400, 2],
    "silence": [0, 26239, 4086, 2],
    "door creaking": [0, 11219, 8633, 7520, 2],
}
"""RoBERTa's ids of the texts that the development data holds embeddings of."""

WORDS = """
dog bark This is a sound of Kettle WHISTLE don't they'll it's I'VE e-mail 3.14 12,000 2nd ' '' 's
naïve façade Ærøskøbing ŁÓDŹ straße ΣΊΣΥΦΟΣ собака 犬が吠える 개가 짖는다 كلب हिन्दी ไทย ١٢٣ ½ Ⅷ
"""
PIECES = (
    *WORDS.split(),
    *(
        "🐕",
        "👩‍👩‍👧‍👦",
        "🇩🇪",
        "e\u0301",
        "a\u0300\u0323\u0330",
        "\ufeff",
        "\u200b",
        "\u00ad",
        "\u202e",
        "\x00",
        "\x1f",
        "\x7f",
    ),
    *(" ", " ", " ", " ", "  ", "\n", "\r\n", "\t", "\x0b", "\x85", "\u00a0", "\u2003", "\u2028", "\u3000"),
    *(
        "<s>",
        "</s>",
        "<mask>",
        "<pad>",
        "<unk>",
        "<S>",
        "< s >",
        "<<mask>>",
        "{label}",
        "_",
        "!?…",
        "“”",
        "\\n",
    ),
)
TEXTS = [
    "",
    " ",
    "\n",
    "a" * 5000,
    "ab " * 500,
    " dog",
    "dog ",
    "<mask>",
    " \n <mask>",
    "<s></s>",
    *GOLDEN_IDS,
]


def thousand_texts() -> list[str]:
    shuffled = random.Random(20240229)
    lengths = (shuffled.choice((1, 2, 3, 5, 8, 40, 120)) for _ in range(1000 - len(TEXTS)))
    return TEXTS + ["".join(shuffled.choices(PIECES, k=length)) for length in lengths]


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    pytest.importorskip("tokenizers")
    from synthetic_tokenizer import write_tokenizer  # noqa: PLC0415 - it imports tokenizers

    return write_tokenizer(tmp_path / "tokenizer.json")


@pytest.fixture
def roberta(shared_data: Path) -> Path:
    pytest.importorskip("tokenizers")
    return shared_data / "clap-goldens" / "tokenizer.json"


@pytest.fixture
def graph(tmp_path: Path, tokenizer_file: Path) -> Path:
    path = tmp_path / "text_encoder.onnx"
    path.write_bytes(text_onnx(vectors(tokenizer_file)))
    return path


def vectors(tokenizer_file: Path) -> np.ndarray:
    """(n_vocabulary, EMBEDDING_DIM) float32, one for each token."""
    n_vocabulary = len(BruteForceTokenizer(tokenizer_file).ids)
    return np.random.default_rng(5).standard_normal((n_vocabulary, EMBEDDING_DIM)).astype(np.float32)


def text_onnx(table: np.ndarray) -> bytes:
    """A graph that adds its tokens' vectors and makes the sum one of unit norm."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "token_ids"], ["words"]),
            helper.make_node("ReduceMean", ["words"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("LpNormalization", ["mean"], ["embedding"], axis=1, p=2),
        ],
        "text",
        [helper.make_tensor_value_info("token_ids", TensorProto.INT64, [1, "n_tokens"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, table.shape[1]])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


def differing(path: Path) -> list[str]:
    """Of a thousand texts those whose tokens are not what the algorithm gives."""
    ours, published = TextTokenizer(path, MAX_TOKENS), BruteForceTokenizer(path)
    return [text for text in thousand_texts() if ours.tokens(text) != published.tokens(text, MAX_TOKENS)]


def differing_from_transformers(path: Path) -> list[str]:
    """Of a thousand texts those whose tokens are not what laion_clap gets of its tokenizer."""
    transformers = pytest.importorskip("transformers")
    tables = BruteForceTokenizer(path)
    # Made from tables, it lacks what roberta-base's files say of this token, and its older form had built in.
    mask = transformers.AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    reference = transformers.RobertaTokenizer(vocab=tables.ids, merges=tables.merges, mask_token=mask)

    def reference_tokens(text: str) -> list[int]:
        padded = reference(text, padding="max_length", truncation=True, max_length=MAX_TOKENS)
        return padded["input_ids"][: sum(padded["attention_mask"])]

    ours = TextTokenizer(path, MAX_TOKENS)
    return [text for text in thousand_texts() if ours.tokens(text) != reference_tokens(text)]


def test_the_tokens_of_a_thousand_texts_are_what_the_published_algorithm_gives(tokenizer_file):
    assert len(thousand_texts()) == 1000
    assert differing(tokenizer_file) == []


def test_the_tokens_of_a_thousand_texts_are_those_of_robertas_own_tables(roberta):
    assert differing(roberta) == []


def test_the_tokens_of_a_thousand_texts_are_those_that_laion_clap_gets(tokenizer_file):
    assert differing_from_transformers(tokenizer_file) == []


def test_the_tokens_of_a_thousand_texts_are_those_that_laion_clap_gets_of_robertas_tables(roberta):
    assert differing_from_transformers(roberta) == []


@pytest.mark.parametrize("text", GOLDEN_IDS)
def test_the_golden_texts_have_robertas_ids(roberta, text):
    assert TextTokenizer(roberta, MAX_TOKENS).tokens(text) == GOLDEN_IDS[text]
    assert BruteForceTokenizer(roberta).tokens(text, MAX_TOKENS) == GOLDEN_IDS[text]


def test_a_text_too_long_keeps_its_beginning_and_its_end_token(tokenizer_file):
    whole = TextTokenizer(tokenizer_file, 10_000).tokens("dog bark " * 100)
    assert len(whole) > MAX_TOKENS
    for max_tokens in (MAX_TOKENS, len(whole) - 1, 3):
        cut = TextTokenizer(tokenizer_file, max_tokens).tokens("dog bark " * 100)
        assert cut == [*whole[: max_tokens - 1], 2]
    assert TextTokenizer(tokenizer_file, len(whole)).tokens("dog bark " * 100) == whole


def test_padding_and_truncation_of_the_file_are_turned_off(tokenizer_file):
    before = TextTokenizer(tokenizer_file, MAX_TOKENS).tokens("dog bark")
    plain = json.loads(tokenizer_file.read_text("utf-8"))
    plain["truncation"] = {"direction": "Left", "max_length": 4, "strategy": "LongestFirst", "stride": 0}
    plain["padding"] = {
        "strategy": {"Fixed": 77},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 1,
        "pad_type_id": 0,
        "pad_token": "<pad>",
    }
    tokenizer_file.write_text(json.dumps(plain), "utf-8")
    assert TextTokenizer(tokenizer_file, MAX_TOKENS).tokens("dog bark") == before


def test_a_text_is_embedded_by_the_graph_from_its_tokens(graph, tokenizer_file):
    encoder = TextEncoder(graph, tokenizer_file, MAX_TOKENS, EMBEDDING_DIM)
    for text in ("dog bark", "", "ab " * 500):
        expected = vectors(tokenizer_file)[encoder.tokens(text)].mean(axis=0)
        embedding = encoder.encode(text)
        assert embedding.shape == (EMBEDDING_DIM,)
        assert embedding.dtype == np.float32
        np.testing.assert_allclose(embedding, expected / np.linalg.norm(expected), atol=1e-6)


def test_half_a_surrogate_pair_is_said_to_be_no_text(graph, tokenizer_file):
    with pytest.raises(LabelError, match=r"'dog \\udcff' is not Unicode text"):
        TextEncoder(graph, tokenizer_file, MAX_TOKENS).encode("dog \udcff")


def test_without_tokenizers_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(
        EncoderError, match=r'not installed; install it with pip install "edge-listen\[text\]"$'
    ):
        TextEncoder(tmp_path / "text_encoder.onnx", tmp_path / "tokenizer.json", MAX_TOKENS)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[]", b"\xff\x00", b'{"version": "1.0"', b"not JSON\nat all"]
)
def test_a_file_that_is_no_tokenizer_is_an_error_of_one_line(tmp_path, graph, content):
    path = tmp_path / "other.json"
    path.write_bytes(content)
    with pytest.raises(BundleError, match=r"other\.json is not a tokenizer") as caught:
        TextEncoder(graph, path, MAX_TOKENS)
    assert str(caught.value).isprintable()


def test_a_tokenizer_that_is_not_there_is_an_error_of_one_line(tmp_path, graph):
    with pytest.raises(BundleError, match=r"absent\.json is not a tokenizer.*No such file"):
        TextEncoder(graph, tmp_path / "absent.json", MAX_TOKENS)


def test_a_tokenizer_of_another_model_is_refused(graph, tokenizer_file):
    plain = json.loads(tokenizer_file.read_text("utf-8"))
    plain["post_processor"] = None
    tokenizer_file.write_text(json.dumps(plain), "utf-8")
    with pytest.raises(BundleError, match=r"not RoBERTa's tokenizer: it makes \[\] of an empty text"):
        TextEncoder(graph, tokenizer_file, MAX_TOKENS)


def test_a_graph_for_sound_is_refused(tmp_path, tokenizer_file):
    path = tmp_path / "audio_encoder.onnx"
    path.write_bytes(encoder_onnx())
    with pytest.raises(EncoderError, match=r"input log_mel is tensor\(float\), not tensor\(int64\)"):
        TextEncoder(path, tokenizer_file, MAX_TOKENS)


def test_a_graph_of_another_embedding_length_is_refused(graph, tokenizer_file):
    with pytest.raises(
        EncoderError, match=r"outputs must be embedding \(1, 512\), but are embedding \(1, 8\)"
    ):
        TextEncoder(graph, tokenizer_file, MAX_TOKENS, 512)


def test_a_tokenizer_with_more_words_than_the_graph_is_an_error_of_one_line(tmp_path, tokenizer_file):
    path = tmp_path / "few_words.onnx"
    path.write_bytes(text_onnx(vectors(tokenizer_file)[:5]))
    with pytest.raises(EncoderError, match=r"few_words\.onnx failed") as caught:
        TextEncoder(path, tokenizer_file, MAX_TOKENS).encode("dog bark")
    assert str(caught.value).isprintable()


def test_a_value_that_is_not_finite_is_no_reason_to_try_another_provider(tmp_path, tokenizer_file):
    path = tmp_path / "broken.onnx"
    path.write_bytes(text_onnx(np.full_like(vectors(tokenizer_file), np.nan)))
    with pytest.raises(EncoderError, match=r"not finite; export the bundle again with edge-export$"):
        TextEncoder(path, tokenizer_file, MAX_TOKENS).encode("dog bark")


def test_the_tokens_of_a_text_are_counted_before_it_is_cut(graph, tokenizer_file):
    encoder = TextEncoder(graph, tokenizer_file, MAX_TOKENS)
    assert encoder.n_tokens("dog bark") == len(encoder.tokens("dog bark"))
    assert encoder.n_tokens("dog bark " * 100) > len(encoder.tokens("dog bark " * 100)) == MAX_TOKENS
