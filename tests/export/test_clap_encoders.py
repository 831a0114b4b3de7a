"""The encoders of a bundle: which are made, what the quantised one looks at, what is measured of them."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")
onnxruntime = pytest.importorskip("onnxruntime", reason="needs ONNX Runtime, from the extra `cpu`")

import clap_audio  # noqa: E402 - after the skip
import onnx  # noqa: E402
from clap_audio import SMALL  # noqa: E402

from edge.frontend import CLAP_UNFUSED  # noqa: E402
from export.clap import encoders  # noqa: E402
from export.clap.architecture import TINY, Architecture  # noqa: E402
from export.clap.checkpoint import Checkpoint  # noqa: E402
from export.clap.encoders import AudioGraph, Nearest, Precision, make_encoders  # noqa: E402
from export.clap.geometry import Image  # noqa: E402
from export.parity import FP32_LIMITS, Limits, Measured, compare  # noqa: E402

CHEAPEST_FIRST = (Image.HALF, Image.WHOLE)
NONE = Limits()
BETWEEN = Limits(cosine_mean=0.9995)
"""Of these sounds half the image is at 0.998, and the whole, if quantising costs nothing, at 1."""
OUT_OF_REACH = Limits(cosine_mean=1.1)


def checkpoint(architecture: Architecture) -> Checkpoint:
    state = clap_audio.audio_state(architecture)
    return Checkpoint(state, architecture, CLAP_UNFUSED, "0" * 64, "synthetic", "none", None)


def all_alike(embeddings: np.ndarray) -> np.ndarray:
    return np.zeros(len(embeddings), np.intp)


@pytest.fixture
def without_reference(monkeypatch):
    clap_audio.hide_laion_clap(monkeypatch)


@pytest.fixture
def free_quantisation(monkeypatch):
    """What int8 costs differs from processor to processor, what the image costs doesn't."""
    monkeypatch.setattr(encoders, "dynamic_int8", lambda model: model)


def make(
    folder: Path,
    precisions: Sequence[Precision] = ("int8",),
    images: Sequence[Image] = CHEAPEST_FIRST,
    nearest: Nearest = all_alike,
) -> tuple[list[AudioGraph], Measured]:
    folder.mkdir(exist_ok=True)
    return make_encoders(checkpoint(SMALL), precisions, clap_audio.log_mels(), nearest, folder, images)


def embedded(graph: AudioGraph) -> np.ndarray:
    return np.array([graph.encode(log_mel) for log_mel in clap_audio.log_mels()])


def of_module(image: Image) -> np.ndarray:
    with torch.inference_mode():
        return clap_audio.encoder(SMALL, image)(torch.from_numpy(clap_audio.log_mels())).numpy()


@pytest.mark.usefixtures("without_reference", "free_quantisation")
def test_the_cheaper_image_is_taken_if_it_stays_within_the_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "INT8_LIMITS", NONE)
    (graph,), measured = make(tmp_path)
    assert (graph.precision, graph.image) == ("int8", Image.HALF)
    assert measured.figures["int8_image"] == "half"
    assert compare(embedded(graph), of_module(Image.HALF)).max_abs <= 1e-5
    # What the half costs is measured, too.
    cosine = compare(of_module(Image.HALF), of_module(Image.WHOLE)).cosine_mean
    assert measured.figures["int8_to_fp32_cosine_mean"] == pytest.approx(cosine, abs=1e-5)


@pytest.mark.usefixtures("without_reference", "free_quantisation")
def test_the_whole_image_is_taken_if_the_cheaper_is_beyond_the_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "INT8_LIMITS", BETWEEN)
    (graph,), measured = make(tmp_path)
    assert graph.image is Image.WHOLE
    assert measured.figures["int8_image"] == "whole"
    assert measured.beyond_limits == ()
    assert compare(embedded(graph), of_module(Image.WHOLE)).max_abs <= 1e-5


@pytest.mark.usefixtures("without_reference", "free_quantisation")
def test_an_image_that_finds_other_prototypes_nearest_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "INT8_LIMITS", NONE)

    def nearest(embeddings: np.ndarray) -> np.ndarray:
        return (np.einsum("nd,nd->n", embeddings, of_module(Image.WHOLE)) < 0.9995).astype(np.intp)

    (graph,), measured = make(tmp_path, nearest=nearest)
    assert graph.image is Image.WHOLE
    assert measured.figures["int8_to_fp32_agreement"] == 1.0


@pytest.mark.usefixtures("without_reference", "free_quantisation")
def test_the_last_image_is_taken_in_any_case_and_what_is_beyond_the_limits_named_once(tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "INT8_LIMITS", OUT_OF_REACH)
    (graph,), measured = make(tmp_path)
    assert graph.image is Image.WHOLE
    (words,) = measured.beyond_limits
    assert words == "int8 to fp32: cosine_mean 1 is below 1.1"


@pytest.mark.usefixtures("without_reference")
def test_only_the_encoders_asked_for_are_made_and_the_one_for_the_cpu_first(tmp_path):
    (fp32,), measured = make(tmp_path / "one", ("fp32",))
    assert (fp32.precision, fp32.image) == ("fp32", Image.WHOLE)
    assert not [name for name in measured.figures if name.startswith("int8")]
    both, measured = make(tmp_path / "two", ("fp32", "int8"), (Image.WHOLE,))
    assert [graph.precision for graph in both] == ["int8", "fp32"]
    assert len({graph.sha256 for graph in both}) == 2
    assert both[1].sha256 == fp32.sha256
    assert np.abs(embedded(fp32) - of_module(Image.WHOLE)).max() <= 1e-5
    assert both[0].path.stat().st_size < fp32.path.stat().st_size
    assert 0.99 < measured.figures["int8_to_fp32_cosine_min"] < 1.0


@pytest.mark.usefixtures("without_reference")
def test_what_was_compared_with_which_versions_is_recorded_whatever_name_onnxruntime_goes_by(
    tmp_path, monkeypatch
):
    known = importlib.metadata.version

    def as_with_the_gpu_wheel(name: str) -> str:
        if name == "onnxruntime":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", as_with_the_gpu_wheel)
    _, measured = make(tmp_path, ("fp32",))
    assert (measured.figures["clips"], measured.figures["opset"]) == ("6", "17")
    for module in (torch, onnx, onnxruntime):
        assert measured.figures[module.__name__] == str(module.__version__)
    assert measured.figures["fp32_to_module_max_abs"] <= 1e-5
    assert measured.figures["fp32_to_module_cosine_min"] >= 0.99999


@pytest.mark.usefixtures("without_reference")
def test_a_missing_reference_is_said_and_recorded_and_stops_nothing(tmp_path, caplog):
    (graph,), measured = make(tmp_path, ("fp32",))
    assert graph.path.is_file()
    assert measured.figures["reference"] == "not installed, so not compared"
    assert not [name for name in measured.figures if "to_reference" in name]
    assert measured.beyond_limits == ()
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "not compared with LAION's own encoder" in warning.getMessage()
    assert "pip install" in warning.getMessage()


def test_an_encoder_unlike_the_reference_is_beyond_the_limits(tmp_path, monkeypatch):
    class Other:
        version = "9.9"

        def __init__(self, *_: object) -> None:
            self._encoder = clap_audio.encoder(SMALL, Image.HALF)

        def embed(self, log_mel: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                return self._encoder(log_mel)

    monkeypatch.setattr(encoders, "Reference", Other)
    _, measured = make(tmp_path, ("fp32",))
    assert measured.figures["reference"] == "laion_clap 9.9"
    assert {words.split(" ")[3] for words in measured.beyond_limits} == {"max_abs", "cosine_min"}
    assert all(words.startswith("module to reference: ") for words in measured.beyond_limits)


def test_the_true_sized_encoders_are_within_their_limits_against_laion_clap(tmp_path, monkeypatch):
    reference = clap_audio.reference(TINY)
    monkeypatch.setattr(encoders, "Reference", lambda *_: reference)  # made already, of the same weights
    log_mels = clap_audio.log_mels()[[1, 3, 5]]
    (int8, fp32), measured = make_encoders(
        checkpoint(TINY), ("int8", "fp32"), log_mels, all_alike, tmp_path, (Image.WHOLE,)
    )
    assert measured.beyond_limits == ()
    assert measured.figures["reference"] == f"laion_clap {reference.version}"
    assert measured.figures["module_to_reference_max_abs"] <= 5e-6
    assert measured.figures["fp32_to_module_max_abs"] <= FP32_LIMITS.max_abs
    assert measured.figures["int8_to_fp32_cosine_min"] > 0.99
    assert int8.path.stat().st_size <= 45e6
    assert int8.path.stat().st_size < fp32.path.stat().st_size / 2
