"""The synthetic bundle with a text encoder and a pool, so that words which are no label find a sound.

The text encoder is a real graph with a real tokenizer: it takes the mean of its words' vectors, and a word's
vector is the embedding of the tone that it means. The pool is of made recordings, some of these tones.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from synthetic_bundle import EMBEDDING_DIM, WINDOW_S, embed, rain, synthetic_files, synthetic_manifest, tone

from edge.bundle import Bundle
from edge.bundle_arrays import npz_bytes
from edge.bundle_writer import write_bundle
from edge.frontend import STARTER, LogMelFrontEnd
from edge.manifest import Manifest, Recipe, TextEncoderEntry

KETTLE_HZ = 2000.0
WORDS_HZ = {"kettle": KETTLE_HZ, "whistle": KETTLE_HZ, "hum": 150.0, "drone": 150.0}
"""What the text encoder's words mean; "rain" and "rainfall" are the background's white noise."""
N_KETTLES = 10
"""Recordings of the pool that sound like a kettle; the first is longer than the others: two windows."""

needs_tokenizers = pytest.mark.skipif(
    find_spec("tokenizers") is None, reason='needs the package tokenizers: pip install "edge-listen[text]"'
)


WordVectors = Mapping[str, NDArray[np.float32]]
"""Word → (embedding_dim,) float32, beginning with the tokenizer's own."""


@cache
def word_vectors() -> WordVectors:
    """Words that mean no sound are zeros; unknown ones are like no tone."""
    front_end = LogMelFrontEnd(STARTER)
    tones = {word: embed(front_end(tone(hz, WINDOW_S))) for word, hz in WORDS_HZ.items()}
    noise = embed(front_end(rain(WINDOW_S)))
    return {**_soundless(("this", "is", "a", "sound", "of")), **tones, "rain": noise, "rainfall": noise}


def vectors_of_names(names: Mapping[str, NDArray[np.float32]]) -> WordVectors:
    """Words such that each name, in any of the paper's prompts, means the vector that it is given with.

    names: a data set's classes, `_` for spaces or not, and their embeddings. One may share some of its words
        with others, but must not be made up of words that together mean something else.
    """
    silent = _soundless(("this", "is", "a", "an", "audio", "sound", "of", "i", "can", "hear"))
    in_words = {tuple(name.lower().replace("_", " ").split()): vector for name, vector in names.items()}
    words = sorted({word for of_name in in_words for word in of_name} - set(silent))
    share = np.array([[of_name.count(word) / len(of_name) for word in words] for of_name in in_words])
    vectors, *_ = np.linalg.lstsq(share, np.stack(list(in_words.values())).astype(np.float64), rcond=None)
    return {**silent, **dict(zip(words, vectors.astype(np.float32), strict=True))}


def _soundless(words: tuple[str, ...]) -> WordVectors:
    zero = np.zeros(EMBEDDING_DIM, np.float32)
    unknown = np.random.default_rng(5).standard_normal(EMBEDDING_DIM).astype(np.float32)
    return {**dict.fromkeys(["<s>", "<pad>", "</s>"], zero), "<unk>": unknown, **dict.fromkeys(words, zero)}


def text_encoder_onnx(vectors: WordVectors | None = None) -> bytes:
    """A graph from `token_ids` int64 (1, n_tokens) to the words' mean vector, of unit norm."""
    table = np.stack(list((vectors or word_vectors()).values()))
    nodes = [
        helper.make_node("Gather", ["table", "token_ids"], ["words"], axis=0),
        helper.make_node("ReduceMean", ["words"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("LpNormalization", ["mean"], ["embedding"], axis=1, p=2),
    ]
    graph = helper.make_graph(
        nodes,
        "synthetic text",
        [helper.make_tensor_value_info("token_ids", TensorProto.INT64, [1, "n_tokens"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, EMBEDDING_DIM])],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def tokenizer_json(vectors: WordVectors | None = None) -> bytes:
    """What the library `tokenizers` writes for lower case, words at spaces, <s> and </s> around them."""
    ends: list[dict[str, object]] = [{"SpecialToken": {"id": end, "type_id": 0}} for end in ("<s>", "</s>")]
    sequence = {"Sequence": {"id": "A", "type_id": 0}}
    plain = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [ends[0], sequence, ends[1]],
            "pair": [sequence, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {
                end: {"id": end, "ids": [index], "tokens": [end]} for end, index in (("<s>", 0), ("</s>", 2))
            },
        },
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {word: index for index, word in enumerate(vectors or word_vectors())},
            "unk_token": "<unk>",
        },
    }
    return json.dumps(plain).encode()


@cache
def _pool_log_mels() -> tuple[tuple[str, NDArray[np.float32]], ...]:
    """Recording's name and log-mel of each window."""
    rng = np.random.default_rng(11)
    sounds = [
        (f"kettle {i}.wav", tone(KETTLE_HZ * rng.uniform(0.98, 1.02), WINDOW_S)) for i in range(N_KETTLES)
    ]
    sounds += [(f"tone {i}.wav", tone(rng.uniform(200.0, 1200.0), WINDOW_S)) for i in range(15)]
    sounds += [(f"rain {i}.wav", rain(WINDOW_S, rng.uniform(0.05, 0.3))) for i in range(10)]
    sounds += [(f"wind {i}.wav", np.convolve(rain(WINDOW_S), np.ones(4) / 4, "same")) for i in range(5)]
    front_end = LogMelFrontEnd(STARTER)
    noisy = [(name, sound + 2e-4 * rng.standard_normal(len(sound))) for name, sound in (sounds[0], *sounds)]
    return tuple((name, front_end(sound.astype(np.float32))) for name, sound in noisy)


def pool_npz(encoder: bytes, seed: int = 0) -> bytes:
    """Forty recordings, ten of them of a kettle."""
    windows = _pool_log_mels()
    names = list(dict.fromkeys(name for name, _ in windows))
    return npz_bytes(
        embeddings=np.stack([embed(log_mel, seed) for _, log_mel in windows]).astype(np.float16),
        recording=np.array([names.index(name) for name, _ in windows], np.int32),
        names=np.array(names),
        encoder_sha256=hashlib.sha256(encoder).hexdigest(),
    )


def text_manifest(encoders: tuple[str, ...] = ("fp32",)) -> Manifest:
    """The manifest without its files. The background is called as `edge-export clap` calls it."""
    plain = synthetic_manifest(encoders)
    *labels, noise = plain.labels
    noise = dataclasses.replace(noise, name="background rain", aliases=("rain", "rainfall", "shower"))
    return dataclasses.replace(
        plain,
        name="synthetic words",
        labels=(*labels, noise),
        encoders=tuple(dataclasses.replace(e, pool=f"pool.{e.name}.npz") for e in plain.encoders),
        text_encoder=TextEncoderEntry(("text_encoder.onnx",), "tokenizer.json", 77, EMBEDDING_DIM),
        recipe=Recipe(("This is a sound of {label}",), "proto", N_KETTLES),
    )


def text_files(encoders: tuple[str, ...] = ("fp32",), vectors: WordVectors | None = None) -> dict[str, bytes]:
    """Every file but manifest.json. What the words mean is true of the first encoder only."""
    files = synthetic_files(encoders)
    for seed, name in enumerate(encoders):
        files[f"pool.{name}.npz"] = pool_npz(files[f"audio_encoder.{name}.onnx"], seed)
    texts = {"text_encoder.onnx": text_encoder_onnx(vectors), "tokenizer.json": tokenizer_json(vectors)}
    return {**files, **texts}


def write_text_bundle(
    directory: Path, encoders: tuple[str, ...] = ("fp32",), vectors: WordVectors | None = None
) -> Bundle:
    """Write it to `directory`, which must not exist.

    vectors: what its words mean (default: see `word_vectors`).
    """
    return write_bundle(directory, text_manifest(encoders), text_files(encoders, vectors))
