"""Embeddings as a file: what is written comes back, and nothing of another encoder passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

for needed in ("sklearn", "scipy", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `eval`")

from planted_embeddings import DIM, ENCODER, planted, small_dataset, write_planted  # noqa: E402

from export.evaluation.datasets.dataset import Dataset  # noqa: E402
from export.evaluation.embeddings_file import (  # noqa: E402
    EmbeddingsError,
    check_same_encoder,
    read_embeddings,
)
from export.evaluation.inputs import read_files  # noqa: E402
from export.evaluation.texts import DEFAULT  # noqa: E402

Arrays = dict[str, Any]


@pytest.fixture
def dataset() -> Dataset:
    return small_dataset()


@pytest.fixture
def path(tmp_path: Path, dataset: Dataset) -> Path:
    return write_planted(tmp_path / "small.npz", dataset)


def rewrite(path: Path, change: Callable[[Arrays], object]) -> None:
    with np.load(path) as file:
        arrays = dict(file)
    change(arrays)
    np.savez(path, **arrays)


def test_what_was_saved_comes_back(path: Path, dataset: Dataset) -> None:
    embeddings = read_embeddings(path)
    np.testing.assert_allclose(embeddings.of(dataset).vectors, planted(dataset), atol=1e-6)
    assert embeddings.clips.encoder_sha256 == ENCODER
    assert DEFAULT.sentence("class_1") in embeddings.sentences
    assert not list(path.parent.glob(".*part"))


def test_rows_may_be_in_any_order_and_of_any_length(path: Path, dataset: Dataset) -> None:
    def shuffle(arrays: Arrays) -> None:
        order = np.random.default_rng(0).permutation(len(arrays["names"]))
        arrays["names"], arrays["vectors"] = arrays["names"][order], 7.0 * arrays["vectors"][order]

    rewrite(path, shuffle)
    np.testing.assert_allclose(read_embeddings(path).of(dataset).vectors, planted(dataset), atol=1e-5)


def zero_row(arrays: Arrays) -> None:
    arrays["vectors"][3] = 0.0


def not_finite(arrays: Arrays) -> None:
    arrays["vectors"][3, 1] = np.nan


def twice(arrays: Arrays) -> None:
    arrays["names"][1] = arrays["names"][0]


def of_text_in_another_space(arrays: Arrays) -> None:
    arrays["sentence_vectors"] = arrays["sentence_vectors"][:, :-1]


def pickled(arrays: Arrays) -> None:
    arrays["names"] = arrays["names"].astype(object)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (zero_row, "zero or not finite"),
        (not_finite, "zero or not finite"),
        (twice, "holds a clip twice"),
        (of_text_in_another_space, "have 63 dimensions and vectors 64"),
        (pickled, "cannot be read as embeddings"),
        (lambda arrays: arrays.pop("how"), "holds no array 'how'"),
        (lambda arrays: arrays.update(vectors=arrays["vectors"][:-1]), "a row for each name"),
        (lambda arrays: arrays.update(vectors=arrays["vectors"].astype(int)), "must be float"),
        (lambda arrays: arrays.update(dataset=np.array(3)), "dataset must be text"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    path: Path, damage: Callable[[Arrays], object], message: str
) -> None:
    rewrite(path, damage)
    with pytest.raises(EmbeddingsError, match=message):
        read_embeddings(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"garbage"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(content)
    with pytest.raises(EmbeddingsError, match="saved with --save-embeddings"):
        read_embeddings(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EmbeddingsError, match="No such file"):
        read_embeddings(tmp_path / "none.npz")


def test_embeddings_of_another_data_set_are_refused(path: Path) -> None:
    with pytest.raises(EmbeddingsError, match="holds embeddings of 'small', not of Other"):
        read_embeddings(path).of(small_dataset(name="other"))


def test_a_clip_without_an_embedding_is_named(path: Path) -> None:
    with pytest.raises(EmbeddingsError, match=r"lacks 40 of 160 clips .* first is 4-0-0\.wav"):
        read_embeddings(path).of(small_dataset(n_folds=4))


def test_embeddings_of_another_encoder_are_refused(path: Path) -> None:
    embeddings = read_embeddings(path)
    check_same_encoder(embeddings, ENCODER, DIM)
    with pytest.raises(EmbeddingsError, match="made with encoder ffffffffffff, but the bundle's is 000000"):
        check_same_encoder(embeddings, "0" * 64, DIM)
    with pytest.raises(EmbeddingsError, match="have 64 dimensions, the bundle's encoder yields 512"):
        check_same_encoder(embeddings, ENCODER, 512)


def test_files_of_different_encoders_are_not_mixed(path: Path, tmp_path: Path) -> None:
    other = write_planted(tmp_path / "other.npz", small_dataset(name="other"), encoder="e" * 64)
    with pytest.raises(EmbeddingsError, match="of different encoders"):
        read_files([path, other], None, None)


def test_two_files_of_one_data_set_are_refused(path: Path) -> None:
    with pytest.raises(EmbeddingsError, match="both hold embeddings of small"):
        read_files([path, path], None, None)
