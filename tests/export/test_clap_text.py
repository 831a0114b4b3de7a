"""CLAP's text encoder computes what RoBERTa does, its graph nearly so, and its tokenizer is RoBERTa's."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")

import onnx  # noqa: E402
from onnx import numpy_helper  # noqa: E402
from synthetic_tokenizer import write_tokenizer  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.nn import functional  # noqa: E402

from edge.errors import ConfigError, SoundError  # noqa: E402
from edge.text_encoder import TextEncoder, TextTokenizer  # noqa: E402
from export.clap import hub  # noqa: E402
from export.clap.text_encoder import MAX_TOKENS, PAD, SmallWordTable, embed_texts, text_graph  # noqa: E402
from export.clap.tokenizer_file import KNOWN, check_tokenizer, find_tokenizer  # noqa: E402
from export.quantize import adds_products_exactly  # noqa: E402

N_VOCABULARY, N_LAYERS, WIDTH, FEED_FORWARD, N_POSITIONS = 400, 3, 128, 256, 130
EMBEDDING_DIM = 512

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    """RoBERTa's layout with fewer layers and words, its weights large enough to tell texts apart."""
    generator = torch.Generator().manual_seed(3)

    def matrix(n_out: int, n_in: int) -> Tensor:
        return torch.randn(n_out, n_in, generator=generator) / n_in**0.5

    def linear(name: str, n_out: int, n_in: int) -> State:
        return {f"{name}.weight": matrix(n_out, n_in), f"{name}.bias": matrix(n_out, 100)[:, 0]}

    def norm(name: str) -> State:
        return {f"{name}.weight": 1 + matrix(WIDTH, 25)[:, 0], f"{name}.bias": matrix(WIDTH, 25)[:, 0]}

    embeddings = "text_branch.embeddings"
    tables = {"word": N_VOCABULARY, "position": N_POSITIONS, "token_type": 1}
    made: State = {f"{embeddings}.{name}_embeddings.weight": matrix(n, WIDTH) for name, n in tables.items()}
    made |= norm(f"{embeddings}.LayerNorm")
    for index in range(N_LAYERS):
        layer = f"text_branch.encoder.layer.{index}"
        for part in ("query", "key", "value"):
            made |= linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        made |= linear(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        made |= norm(f"{layer}.attention.output.LayerNorm")
        made |= linear(f"{layer}.intermediate.dense", FEED_FORWARD, WIDTH)
        made |= linear(f"{layer}.output.dense", WIDTH, FEED_FORWARD)
        made |= norm(f"{layer}.output.LayerNorm")
    made |= linear("text_branch.pooler.dense", WIDTH, WIDTH)
    return (
        made
        | linear("text_projection.0", EMBEDDING_DIM, WIDTH)
        | linear("text_projection.2", EMBEDDING_DIM, EMBEDDING_DIM)
    )


@pytest.fixture(scope="module")
def texts() -> list[list[int]]:
    """Token ids: an empty text, short ones, the longest, and one that spells out <pad>."""
    generator = torch.Generator().manual_seed(4)
    words = [
        torch.randint(4, N_VOCABULARY, (n,), generator=generator).tolist() for n in (0, 1, 2, 5, 6, 20, 75)
    ]
    return [[0, *ids, 2] for ids in (*words, [7, PAD, 8, PAD])]


def reference(state: State, texts: list[list[int]], layer_norm_eps: float) -> np.ndarray:
    """As laion_clap computes it: padded to 77, masked, by transformers' RoBERTa."""
    transformers = pytest.importorskip("transformers")
    config = transformers.RobertaConfig(
        vocab_size=N_VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=WIDTH // 64,
        intermediate_size=FEED_FORWARD,
        max_position_embeddings=N_POSITIONS,
        type_vocab_size=1,
        layer_norm_eps=layer_norm_eps,
        attn_implementation="eager",
    )
    roberta = transformers.RobertaModel(config).eval()
    prefix = "text_branch."
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    roberta.load_state_dict(own, strict=True)
    padded = torch.tensor([ids + [PAD] * (MAX_TOKENS - len(ids)) for ids in texts])
    mask = torch.tensor([[1] * len(ids) + [0] * (MAX_TOKENS - len(ids)) for ids in texts])
    with torch.inference_mode():
        x = roberta(input_ids=padded, attention_mask=mask)["pooler_output"]
        x = functional.linear(x, state["text_projection.0.weight"], state["text_projection.0.bias"]).relu()
        x = functional.linear(x, state["text_projection.2.weight"], state["text_projection.2.bias"])
        return functional.normalize(x, dim=-1).numpy()


@pytest.fixture(scope="module")
def graph(state: State, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "text_encoder.onnx"
    path.write_bytes(text_graph(state))
    return path


@pytest.mark.parametrize("layer_norm_eps", [1e-5, 1e-12])
def test_texts_are_embedded_as_laion_clap_does_it_though_unpadded(state, texts, layer_norm_eps):
    expected = reference(state, texts, layer_norm_eps)
    embeddings = embed_texts(state, texts, layer_norm_eps)
    assert embeddings.shape == (len(texts), EMBEDDING_DIM)
    assert embeddings.dtype == np.float32
    assert np.abs(embeddings - expected).max() <= 5e-6
    # Otherwise anything would be near enough.
    cosines = expected @ expected.T
    assert cosines[~np.eye(len(texts), dtype=bool)].max() < 0.98


def test_the_epsilon_of_the_normalisation_is_heeded(state, texts):
    assert np.abs(embed_texts(state, texts, 1e-2) - embed_texts(state, texts, 1e-5)).max() > 1e-4


def test_making_the_encoder_leaves_the_checkpoint_as_it_was(state, texts):
    before = {name: weights.clone() for name, weights in state.items()}
    embed_texts(state, texts)
    text_graph(state)
    assert all(torch.equal(state[name], weights) for name, weights in before.items())


def test_the_graph_stays_near_full_precision_at_any_length(state, texts, graph):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(graph)
    found = np.concatenate([session.run(None, {"token_ids": np.array([ids])})[0] for ids in texts])
    expected = embed_texts(state, texts)
    assert (found * expected).sum(axis=1).min() > 0.999
    centre = expected.mean(axis=0)
    centred = [
        (rows - centre) / np.linalg.norm(rows - centre, axis=1, keepdims=True) for rows in (found, expected)
    ]
    # Seven bits a weight, where products of eight overflow, are half as fine.
    least = 0.98 if adds_products_exactly() else 0.96
    assert (centred[0] * centred[1]).sum(axis=1).min() > least


def test_the_device_reads_the_graph_and_gets_what_the_workstation_computes(state, graph, tmp_path):
    pytest.importorskip("onnxruntime")
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json", N_VOCABULARY)
    encoder = TextEncoder(graph, tokenizer, MAX_TOKENS, EMBEDDING_DIM)
    sentences = ["This is a sound of dog bark", "", "rain " * 200]
    expected = embed_texts(state, [encoder.tokens(text) for text in sentences])
    for text, row in zip(sentences, expected, strict=True):
        assert encoder.encode(text) @ row > 0.999


def test_the_graph_can_be_read_by_the_oldest_onnx_runtime_supported(graph):
    model = onnx.load(graph)
    assert model.ir_version <= 9
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 17)]


def test_all_large_weights_of_the_graph_are_int8(graph):
    tensors = [numpy_helper.to_array(tensor) for tensor in onnx.load(graph).graph.initializer]
    large = [array for array in tensors if array.size > 2 * N_POSITIONS * WIDTH]
    assert large
    assert {array.dtype for array in large} == {np.dtype(np.int8)}
    # Four products a layer, those of queries, keys and values being one; the pooler's; the projection's two.
    products = [node for node in onnx.load(graph).graph.node if node.op_type == "MatMulInteger"]
    assert len(products) == 4 * N_LAYERS + 3


def test_the_same_weights_give_the_same_graph(state, graph):
    assert text_graph(state) == graph.read_bytes()


def test_the_small_table_of_words_is_off_by_half_a_step_of_each_word_at_most():
    vectors = (
        torch.randn(50, 64, generator=torch.Generator().manual_seed(1)) * torch.logspace(-3, 3, 50)[:, None]
    )
    vectors[7] = 0
    off = (SmallWordTable(vectors)(torch.arange(50)[None])[0] - vectors).abs().amax(dim=1)
    assert (off <= vectors.abs().amax(dim=1) / 127 * 0.501).all()


@pytest.fixture
def full_size(tmp_path: Path) -> Path:
    """A tokenizer of RoBERTa's size that knows other words."""
    return write_tokenizer(tmp_path / "full_size.json", 50265)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(repository: str, file: str) -> Path:
        raise SoundError(f"{repository}'s {file} cannot be downloaded; fetch it elsewhere")

    monkeypatch.setattr(hub, "fetch", fetch)


def test_robertas_tokenizer_is_accepted_wherever_it_is_found(shared_data, monkeypatch, caplog):
    path = shared_data / "clap-goldens" / "tokenizer.json"
    monkeypatch.setattr(
        hub, "fetch", lambda *asked: {("FacebookAI/roberta-base", "tokenizer.json"): path}[asked]
    )
    assert find_tokenizer(path, None) == find_tokenizer(None, path) == find_tokenizer(None, None) == path
    assert caplog.records == []


def test_the_known_ids_are_those_of_the_published_algorithm_on_robertas_tables(shared_data):
    from brute_force_bpe import BruteForceTokenizer  # noqa: PLC0415

    published = BruteForceTokenizer(shared_data / "clap-goldens" / "tokenizer.json")
    assert {text: published.tokens(text, MAX_TOKENS) for text in KNOWN} == KNOWN


@pytest.mark.usefixtures("offline")
def test_without_a_tokenizer_or_a_network_the_hubs_error_is_shown():
    with pytest.raises(SoundError, match=r"FacebookAI/roberta-base's tokenizer\.json cannot be downloaded"):
        find_tokenizer(None, None)


@pytest.mark.usefixtures("offline")
def test_a_tokenizer_given_is_preferred_to_the_one_beside_the_checkpoint(full_size, tmp_path):
    assert find_tokenizer(full_size, tmp_path / "not looked at.json") == full_size


@pytest.mark.usefixtures("offline")
def test_other_ids_are_a_warning_if_the_tokenizer_was_given_and_an_error_if_not(full_size, caplog):
    with pytest.raises(
        ConfigError, match=r"full_size\.json is not RoBERTa's tokenizer: it makes \[0, .*--tokenizer$"
    ):
        find_tokenizer(None, full_size)
    assert caplog.records == []
    assert find_tokenizer(full_size, None) == full_size
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "is not RoBERTa's tokenizer" in record.getMessage()


@pytest.mark.usefixtures("offline")
def test_a_vocabulary_of_another_size_is_an_error_even_if_given(tmp_path):
    path = write_tokenizer(tmp_path / "tokenizer.json", 500)
    with pytest.raises(ConfigError, match=r"it knows 500 tokens, not 50265; give the tokenizer\.json of"):
        find_tokenizer(path, None)


def with_mask_elsewhere(plain: dict) -> None:
    vocabulary = plain["model"]["vocab"]
    vocabulary["<mask>"], vocabulary["madeupword50263"] = 50263, 50264
    plain["added_tokens"][-1]["id"] = 50263


def with_no_special_mask(plain: dict) -> None:
    del plain["added_tokens"][-1]


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("change", [with_mask_elsewhere, with_no_special_mask])
def test_other_special_tokens_are_an_error_even_if_given(full_size, change: Callable[[dict], None]):
    plain = json.loads(full_size.read_text("utf-8"))
    change(plain)
    full_size.write_text(json.dumps(plain), "utf-8")
    with pytest.raises(
        ConfigError, match=r"not RoBERTa's tokenizer: it makes .* of '<mask>', not \[0, 50264, 2\]"
    ):
        find_tokenizer(full_size, None)


@pytest.mark.parametrize("name", ["broken.json", "absent.json"])
def test_a_file_that_cannot_be_read_is_an_error_of_one_line(tmp_path, name):
    (tmp_path / "broken.json").write_bytes(b'{"version": ')
    with pytest.raises(ConfigError, match=f"{name} is not a tokenizer that") as caught:
        check_tokenizer(tmp_path / name)
    assert str(caught.value).isprintable()


def test_a_tokenizer_filled_up_to_robertas_size_reads_texts_like_the_small_one(full_size, tmp_path):
    small = TextTokenizer(write_tokenizer(tmp_path / "small.json"), MAX_TOKENS)
    assert TextTokenizer(full_size, MAX_TOKENS).tokens("a dog barks") == small.tokens("a dog barks")
