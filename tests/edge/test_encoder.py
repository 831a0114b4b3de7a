"""The encoder: what it yields, and what it says where it cannot run."""

from __future__ import annotations

import builtins
import importlib.metadata
import logging
import platform
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from synthetic_bundle import EMBEDDING_DIM, N_FRAMES, embed, encoder_onnx, write_synthetic_bundle

from edge.encoder import ClipEncoder, load_encoder
from edge.errors import EncoderError
from edge.frontend import STARTER
from edge.types import Encoder, LogMel


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "encoder.onnx"
    path.write_bytes(encoder_onnx())
    return path


@pytest.fixture
def log_mel() -> LogMel:
    return np.random.default_rng(3).standard_normal((N_FRAMES, STARTER.n_mels)).astype(np.float32)


class FakeRuntime(ModuleType):
    """ONNX Runtime as it behaves on another machine.

    Sessions run on `loads` alone: a provider that is offered and not there is dropped without an exception,
    as by ONNX Runtime's own Python package.
    """

    def __init__(self, offered: tuple[str, ...], loads: tuple[str, ...]) -> None:
        super().__init__("onnxruntime")
        self.offered, self.loads = offered, loads
        self.sessions: list[dict[str, Any]] = []
        self.SessionOptions = FakeOptions

    def set_default_logger_severity(self, severity: int) -> None:
        self.severity = severity

    def get_available_providers(self) -> list[str]:
        return list(self.offered)

    def InferenceSession(  # noqa: N802
        self, path: str, options: FakeOptions, *, providers: list[str], enable_fallback: int
    ) -> SimpleNamespace:
        self.sessions.append({"providers": providers, "options": options, "enable_fallback": enable_fallback})
        running = [name for name in providers if name in self.loads] or ["CPUExecutionProvider"]

        def node(name: str, shape: list[object]) -> list[SimpleNamespace]:
            return [SimpleNamespace(name=name, type="tensor(float)", shape=shape)]

        return SimpleNamespace(
            get_providers=lambda: running,
            get_inputs=lambda: node("log_mel", ["batch", 257, 64]),
            get_outputs=lambda: node("embedding", ["batch", 32]),
            path=path,
        )


class FakeOptions:
    def __init__(self) -> None:
        self.intra_op_num_threads = 0
        self.inter_op_num_threads = 0
        self.log_severity_level = 2
        self.entries: dict[str, str] = {}

    def add_session_config_entry(self, key: str, value: str) -> None:
        self.entries[key] = value


CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"


def on_machine(
    monkeypatch: pytest.MonkeyPatch, offered: tuple[str, ...], loads: tuple[str, ...]
) -> FakeRuntime:
    fake = FakeRuntime(offered, loads)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", fake)
    return fake


def test_it_yields_the_embedding_of_the_graph(graph: Path, log_mel: LogMel) -> None:
    encoder: Encoder = ClipEncoder([graph])
    embedding = encoder.encode(log_mel)
    assert embedding.dtype == np.float32
    assert embedding.shape == (EMBEDDING_DIM,)
    np.testing.assert_allclose(embedding, embed(log_mel), atol=1e-5)


def test_a_log_mel_of_another_layout_or_dtype_gives_the_same(graph: Path, log_mel: LogMel) -> None:
    encoder = ClipEncoder([graph], "cpu")
    expected = encoder.encode(log_mel)
    np.testing.assert_array_equal(encoder.encode(np.asfortranarray(log_mel)), expected)
    np.testing.assert_array_equal(encoder.encode(log_mel.astype(np.float64)), expected)  # type: ignore[arg-type]


def test_every_encoder_of_a_bundle_reproduces_its_golden_embedding(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle", ("fp32", "int8"))
    for entry in bundle.manifest.encoders:
        golden = bundle.golden(entry)
        embedding = load_encoder(bundle, entry, 7680).encode(golden.log_mel)
        np.testing.assert_allclose(embedding, golden.embedding, atol=1e-5)


def test_auto_says_what_it_took(graph: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "edge.onnx_session"):
        assert ClipEncoder([graph], "auto").provider in ("cpu", "cuda")
    assert "graph encoder.onnx runs on" in caplog.text


def test_a_session_is_quiet_has_one_thread_and_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = on_machine(monkeypatch, (CPU,), (CPU,))
    ClipEncoder([Path("e.onnx")])
    (session,) = fake.sessions
    options = session["options"]
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)
    assert options.entries == {
        "session.intra_op.allow_spinning": "0",
        "session.inter_op.allow_spinning": "0",
        "session.set_denormal_as_zero": "1",
    }
    assert options.log_severity_level == 4
    assert fake.severity == 4


def test_real_onnx_runtime_takes_the_options(graph: Path) -> None:
    options = ClipEncoder([graph], "cpu", n_threads=2)._graph.session.get_session_options()
    assert options.intra_op_num_threads == 2
    assert options.get_session_config_entry("session.set_denormal_as_zero") == "1"
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_provider_asked_for_and_not_there_is_an_error_that_lists_those_that_are(
    monkeypatch: pytest.MonkeyPatch, provider: Any
) -> None:
    fake = on_machine(monkeypatch, ("AzureExecutionProvider", CPU), (CPU,))
    with pytest.raises(EncoderError, match=f"provider {provider} is not in this ONNX Runtime; it has: cpu;"):
        ClipEncoder([Path("e.onnx")], provider)
    assert fake.sessions == []


@pytest.mark.parametrize(("provider", "takes"), [("cuda", [CUDA]), ("tensorrt", [TENSORRT, CUDA])])
def test_a_gpu_asked_for_by_name_never_shares_the_graph_with_the_cpu(
    monkeypatch: pytest.MonkeyPatch, provider: Any, takes: list[str]
) -> None:
    fake = on_machine(monkeypatch, (TENSORRT, CUDA, CPU), (TENSORRT, CUDA, CPU))
    assert ClipEncoder([Path("e.onnx")], provider).provider == provider
    (session,) = fake.sessions
    assert session["providers"] == takes
    assert session["options"].entries["session.disable_cpu_ep_fallback"] == "1"
    assert session["enable_fallback"] == 0


@pytest.mark.parametrize(("provider", "loads"), [("cuda", (CPU,)), ("tensorrt", (CUDA, CPU))])
def test_a_gpu_asked_for_by_name_and_dropped_silently_is_an_error(
    monkeypatch: pytest.MonkeyPatch, provider: Any, loads: tuple[str, ...]
) -> None:
    on_machine(monkeypatch, (TENSORRT, CUDA, CPU), loads)
    with pytest.raises(EncoderError, match=f"provider {provider} did not load"):
        ClipEncoder([Path("e.onnx")], provider)


def test_auto_takes_cuda_where_it_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    on_machine(monkeypatch, (TENSORRT, CUDA, CPU), (TENSORRT, CUDA, CPU))
    assert ClipEncoder([Path("e.onnx")]).provider == "cuda"


def test_auto_says_so_where_cuda_is_offered_and_does_not_load(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = on_machine(monkeypatch, (CUDA, CPU), (CPU,))
    with caplog.at_level(logging.WARNING, "edge.onnx_session"):
        assert ClipEncoder([Path("e.onnx")]).provider == "cpu"
    assert "CUDA is offered but cannot be used" in caplog.text
    assert "session.disable_cpu_ep_fallback" not in fake.sessions[-1]["options"].entries


def test_a_provider_that_real_onnx_runtime_lacks_is_refused(graph: Path) -> None:
    if TENSORRT in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime offers TensorRT")
    with pytest.raises(EncoderError, match="provider tensorrt is not in this ONNX Runtime"):
        ClipEncoder([graph], "tensorrt")


def test_without_onnx_runtime_one_line_says_what_to_install(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def absent(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name == "onnxruntime":
            raise ModuleNotFoundError("No module named 'onnxruntime'", name=name)
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(EncoderError, match=r'not installed; .*pip install "edge-listen\[cpu\]"') as caught:
        ClipEncoder([graph])
    assert str(caught.value).isprintable()


def test_an_onnx_runtime_that_does_not_load_is_told_from_a_missing_one(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_import = builtins.__import__

    def broken(name: str, *args: Any, **kwargs: Any) -> ModuleType:
        if name == "onnxruntime":
            raise ImportError("libcublas.so.12: cannot open shared object file\nmore")
        return real_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(EncoderError, match=r"fails: libcublas.so.12: cannot open shared object file;"):
        ClipEncoder([graph])


@pytest.mark.parametrize(
    ("version", "installer", "is_refused"),
    [("1.21.0", "pip\n", True), ("1.21.1", "pip\n", False), ("1.21.0", None, False)],
)
def test_the_wheel_that_kills_a_raspberry_pi_is_refused_before_it_is_imported(
    graph: Path, monkeypatch: pytest.MonkeyPatch, version: str, installer: str | None, *, is_refused: bool
) -> None:
    found = SimpleNamespace(version=version, read_text=lambda _: installer)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: found)
    if is_refused:
        with pytest.raises(EncoderError, match=r"1\.21\.0 dies on a Raspberry Pi 4; install another"):
            ClipEncoder([graph])
    else:
        ClipEncoder([graph])


@pytest.mark.parametrize("content", [b"", b"not a graph at all", encoder_onnx()[:2000]])
def test_a_broken_graph_is_said_in_one_line_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(EncoderError, match=r"broken\.onnx") as caught:
        ClipEncoder([path])
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert capfd.readouterr() == ("", "")


def test_a_graph_with_another_input_is_no_encoder(tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(encoder_onnx(input_name="waveform"))
    with pytest.raises(EncoderError, match=r"its inputs must be log_mel .* but are waveform"):
        ClipEncoder([path])


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((100, 64, 32), r"inputs must be log_mel \(1, 100, 64\), but are log_mel \(batch, 257, 64\)"),
        ((257, 80, 32), r"inputs must be log_mel \(1, 257, 80\), but are log_mel \(batch, 257, 64\)"),
        ((257, 64, 512), r"outputs must be embedding \(1, 512\), but are embedding \(batch, 32\)"),
    ],
)
def test_a_graph_of_other_shapes_than_the_manifest_says_is_refused(
    graph: Path, shape: tuple[int, int, int], message: str
) -> None:
    encoder = ClipEncoder([graph])
    encoder.check_shapes(N_FRAMES, STARTER.n_mels, EMBEDDING_DIM)
    with pytest.raises(EncoderError, match=message):
        encoder.check_shapes(*shape)


def test_a_log_mel_of_another_shape_is_said_in_one_line(
    graph: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EncoderError, match=r"failed on log_mel \(1, 3, 64\)") as caught:
        ClipEncoder([graph]).encode(np.zeros((3, 64), np.float32))
    assert str(caught.value).isprintable()
    assert capfd.readouterr() == ("", "")


def test_an_embedding_that_is_not_finite_is_an_error(graph: Path, log_mel: LogMel) -> None:
    log_mel[0, 0] = np.nan
    with pytest.raises(EncoderError, match="not finite"):
        ClipEncoder([graph]).encode(log_mel)


def test_an_embedding_that_is_not_of_unit_norm_is_an_error(tmp_path: Path, log_mel: LogMel) -> None:
    path = tmp_path / "loud.onnx"
    path.write_bytes(encoder_onnx(scale=1.02))
    with pytest.raises(EncoderError, match=r"norm 1\.02, not 1"):
        ClipEncoder([path]).encode(log_mel)
