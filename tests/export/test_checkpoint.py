from __future__ import annotations

import hashlib
import io
import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from synthetic_checkpoint import hollow_state, laion_state, save_laion, write_laion  # noqa: E402

from edge.frontend import CLAP_FUSED, CLAP_UNFUSED, mel_filterbank  # noqa: E402
from export.clap import hub  # noqa: E402
from export.clap.architecture import BASE, TINY  # noqa: E402
from export.clap.checkpoint import open_checkpoint  # noqa: E402
from export.clap.errors import CheckpointError  # noqa: E402
from export.clap.laion_layout import layout  # noqa: E402

FUSED = replace(TINY, fusion=True)
POSITION_IDS = "text_branch.embeddings.position_ids"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    assert caught.value.exit_code == 3
    return message


def recorded_keys(title: str) -> dict[str, tuple[str, tuple[int, ...]]]:
    text = (Path(__file__).parent.parent / "data" / "laion_clap_keys.txt").read_text(encoding="utf-8")
    section = next(part for part in text.split("# ") if part.startswith(title + "\n"))
    keys = {}
    for line in section.splitlines()[1:]:
        key, dtype, *shape = line.split()
        keys[key] = (dtype, tuple(int(size) for size in shape[0].split("x")) if shape else ())
    return keys


@pytest.mark.parametrize(
    ("title", "architecture", "n_keys"), [("HTSAT-tiny fusion", FUSED, 447), ("HTSAT-base", BASE, 504)]
)
def test_the_layout_is_that_of_laions_own_classes(title, architecture, n_keys):
    ours = {key: (entry.dtype, entry.shape) for key, entry in layout(architecture).items()}
    assert ours.pop(POSITION_IDS) == ("int64", (1, 514))  # which only older versions of RoBERTa kept
    assert ours == recorded_keys(title)
    assert len(ours) == n_keys


def test_without_fusion_thirty_keys_fewer():
    left_out = layout(FUSED).keys() - layout(TINY).keys()
    assert len(left_out) == 30
    assert all(key.startswith("audio_branch.patch_embed.") for key in left_out)
    assert layout(TINY).keys() < layout(FUSED).keys()


def test_a_whole_training_file_opens_with_every_weight_as_it_was_saved(tmp_path):
    path = tmp_path / "clap.pt"
    write_laion(path, TINY, seed=3)
    checkpoint = open_checkpoint(str(path))
    expected = laion_state(TINY, seed=3)
    assert list(checkpoint.state) == list(expected)
    assert all(torch.equal(checkpoint.state[key], expected[key]) for key in expected)
    assert all(checkpoint.state[key].dtype == expected[key].dtype for key in expected)
    assert checkpoint.architecture == TINY
    assert checkpoint.log_mel == CLAP_UNFUSED
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.origin == "clap.pt"
    assert checkpoint.tokenizer is None
    path.unlink()  # 600 MB, which pytest would keep


@pytest.mark.parametrize("architecture", [TINY, FUSED, BASE, replace(BASE, fusion=True)])
def test_the_weights_tell_architecture_and_front_end(tmp_path, architecture):
    save_laion(tmp_path / "clap.pt", hollow_state(architecture))
    checkpoint = open_checkpoint(str(tmp_path / "clap.pt"))
    assert checkpoint.architecture == architecture
    assert checkpoint.architecture.name == ("HTSAT-tiny" if architecture.patch_dim == 96 else "HTSAT-base")
    assert checkpoint.log_mel == (CLAP_FUSED if architecture.fusion else CLAP_UNFUSED)


def test_position_ids_may_be_missing(tmp_path):
    state = hollow_state(TINY)
    del state[POSITION_IDS]
    save_laion(tmp_path / "clap.pt", state)
    assert POSITION_IDS not in open_checkpoint(str(tmp_path / "clap.pt")).state


def test_a_bare_state_without_the_training_around_it_opens(tmp_path):
    torch.save(hollow_state(TINY), tmp_path / "clap.pt")
    assert open_checkpoint(str(tmp_path / "clap.pt")).architecture == TINY


def test_half_precision_is_widened(tmp_path):
    state = hollow_state(TINY)
    for dtype, key in (
        (torch.float16, "audio_branch.norm.weight"),
        (torch.bfloat16, "audio_branch.norm.bias"),
    ):
        state[key] = torch.full((768,), 0.5, dtype=dtype)
    save_laion(tmp_path / "clap.pt", state)
    opened = open_checkpoint(str(tmp_path / "clap.pt")).state
    for name in ("weight", "bias"):
        assert torch.equal(opened[f"audio_branch.norm.{name}"], torch.full((768,), 0.5))


@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
def test_numpy_scalars_of_either_numpy_are_no_obstacle(tmp_path, module):
    saved = {
        "state_dict": hollow_state(TINY),
        "scalars": [np.float64(0.1), np.float32(2), np.int64(3), np.bool_(True)],  # noqa: FBT003
    }
    data = io.BytesIO()
    torch.save(saved, data, _use_new_zipfile_serialization=False)
    current = np.float64(0).__reduce__()[0].__module__.encode()
    (tmp_path / "clap.pt").write_bytes(data.getvalue().replace(b"c" + current + b"\n", b"c" + module + b"\n"))
    assert open_checkpoint(str(tmp_path / "clap.pt")).architecture == TINY


class Hostile:
    def __init__(self, function: Callable[..., object], *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("saved_by", ["torch", "pickle-2", "pickle-5"])
def test_code_in_a_file_never_runs(tmp_path, saved_by):
    path, sign = tmp_path / "clap.pt", tmp_path / "it-ran"
    content = {"state_dict": hollow_state(TINY), "epoch": Hostile(os.system, f"touch {sign}")}
    if saved_by == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content["epoch"], protocol=int(saved_by[-1])))
    message = refusal(path)
    assert not sign.exists()
    assert "never run" in message
    if saved_by != "pickle-5":
        assert "system" in message
    pickle.loads(pickle.dumps(content["epoch"]))  # noqa: S301  (the test can fail: this one does run)
    assert sign.exists()


@pytest.mark.parametrize(
    "intruder",
    [
        np.zeros(3),
        Path("somewhere"),
        Hostile(eval, "1"),
        Hostile(getattr, "", "upper"),
        Hostile(np.dtype, "O"),
        Hostile(type(np.float64(0)), 1.0),
        Hostile(np.float64(0).__reduce__()[0], np.dtype("f8"), b"123"),
    ],
    ids=["array", "path", "eval", "getattr", "object-dtype", "numpy-type", "short-scalar"],
)
def test_what_is_neither_tensor_nor_number_is_refused(tmp_path, intruder):
    path = tmp_path / "clap.pt"
    torch.save({"state_dict": hollow_state(TINY), "other": intruder}, path)
    assert "never run" in refusal(path)


def cut_in_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_in_half_is_refused(tmp_path, zipped):
    path = tmp_path / "clap.pt"
    torch.save(hollow_state(TINY), path, _use_new_zipfile_serialization=zipped)
    cut_in_half(path)
    message = refusal(path)
    assert "download it again" in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"RIFF\x24\x08\x00\x00WAVEfmt ", "sound (WAV)"),
        (b"fLaC\x00\x00\x00\x22", "sound (FLAC)"),
        (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:80\nsize 1863587645\n", "git lfs pull"),
        (b"Mary had a little lamb", "not a checkpoint"),
        (b"PK\x03\x04" + bytes(100), "cut short"),
        (b"\x80\x02}q\x00.", "download it again"),
    ],
    ids=["empty", "wav", "flac", "html", "lfs", "text", "zip", "pickle"],
)
def test_what_is_no_checkpoint_is_named(tmp_path, content, words):
    path = tmp_path / "clap.pt"
    path.write_bytes(content)
    assert words in refusal(path)


def test_a_missing_file_lists_the_names_that_can_be_fetched(tmp_path):
    message = refusal(tmp_path / "nowhere.pt")
    assert "630k-audioset-best" in message
    assert "laion/clap-htsat-unfused" in message


@pytest.mark.parametrize("saved", [{}, [1, 2], {"state_dict": 3}, {"state_dict": {"a": 1.0}}])
def test_a_file_without_weights_is_refused(tmp_path, saved):
    torch.save(saved, tmp_path / "clap.pt")
    assert "tensor" in refusal(tmp_path / "clap.pt")


def test_a_state_that_differs_is_refused_by_the_first_key_that_does(tmp_path):
    path = tmp_path / "clap.pt"
    first, later = "audio_branch.layers.0.blocks.0.norm1.weight", "text_projection.0.weight"

    state = hollow_state(TINY)
    state[first], state[later] = torch.zeros(95), torch.zeros(1, 1)
    save_laion(path, state)
    assert f"{first} must have shape [96], not [95]" in refusal(path)

    state = hollow_state(TINY)
    del state[first], state[later]
    save_laion(path, state)
    assert f"{first} is missing" in refusal(path)

    state = {"audio_branch.extra": torch.zeros(1)} | hollow_state(TINY)
    state[later] = torch.zeros(1, 1)
    save_laion(path, state)
    assert "audio_branch.extra is not expected" in refusal(path)

    state = hollow_state(TINY)
    state["audio_branch.bn0.num_batches_tracked"] = torch.tensor(1.0)
    save_laion(path, state)
    assert "audio_branch.bn0.num_batches_tracked must be int64, not float32" in refusal(path)


@pytest.mark.parametrize(
    ("dtype", "key"), [(torch.float64, "audio_branch.norm.weight"), (torch.int8, "text_projection.0.weight")]
)
def test_a_weight_of_another_type_is_refused_by_its_key(tmp_path, dtype, key):
    state = hollow_state(TINY)
    state[key] = state[key].to(dtype)
    save_laion(tmp_path / "clap.pt", state)
    message = refusal(tmp_path / "clap.pt")
    assert key in message
    assert str(dtype).removeprefix("torch.") in message


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused_by_its_key(tmp_path, value):
    state = hollow_state(TINY)
    spoiled = torch.zeros(768)
    spoiled[700] = value
    state["audio_branch.norm.bias"] = spoiled
    save_laion(tmp_path / "clap.pt", state)
    assert "audio_branch.norm.bias holds infinities or NaN" in refusal(tmp_path / "clap.pt")


def test_other_architectures_are_refused_by_the_first_key_that_differs(tmp_path):
    path = tmp_path / "clap.pt"

    large = hollow_state(replace(TINY, patch_dim=256))
    save_laion(path, large)
    assert "audio_branch.patch_embed.proj.weight must have shape [96, 1, 4, 4], not [256, 1" in refusal(path)

    pann = {k: v for k, v in hollow_state(TINY).items() if "layers" not in k and "patch_embed" not in k}
    kept = list(pann.items())
    place = next(i for i, (key, _) in enumerate(kept) if key == "audio_branch.norm.weight")
    kept.insert(place, ("audio_branch.conv_block1.conv1.weight", torch.zeros(64, 1, 3, 3)))
    save_laion(path, dict(kept))
    assert "audio_branch.conv_block1.conv1.weight is not expected" in refusal(path)

    bert = hollow_state(TINY)
    bert["text_branch.embeddings.word_embeddings.weight"] = torch.zeros(()).expand(30522, 768)
    save_laion(path, bert)
    assert "text_branch.embeddings.word_embeddings.weight must have shape [50265, 768]" in refusal(path)

    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.bias": torch.zeros(1000)}, path)
    message = refusal(path)
    assert "conv1.weight is not expected" in message
    assert "HTSAT" in message


def test_a_model_of_other_frequencies_is_refused_by_its_own_filters(tmp_path):
    state = hollow_state(TINY)
    other = replace(CLAP_UNFUSED, fmax_hz=18000.0)
    state["audio_branch.logmel_extractor.melW"] = torch.from_numpy(mel_filterbank(other))
    save_laion(tmp_path / "clap.pt", state)
    assert "melW must be 64 mel bands from 50 to 14000 Hz" in refusal(tmp_path / "clap.pt")


def test_the_hash_asked_for_must_be_the_files(tmp_path):
    path = tmp_path / "clap.pt"
    save_laion(path, hollow_state(TINY))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert open_checkpoint(str(path), found.upper()).sha256 == found
    with pytest.raises(CheckpointError, match=f"{found}, not {'0' * 64} as --sha256 asks"):
        open_checkpoint(str(path), "0" * 64)
    with pytest.raises(CheckpointError, match="64 hexadecimal digits, not 'abc'"):
        open_checkpoint(str(path), "abc")


class FakeHub:
    """Serves files by name, and remembers what was asked for."""

    def __init__(self, files: dict[str, Path]) -> None:
        self.files = files
        self.asked: list[tuple[str, str]] = []

    def fetch(self, repository: str, file: str) -> Path:
        self.asked.append((repository, file))
        if file not in self.files:
            raise hub.NotOnHubError(f"no {file}")
        return self.files[file]


@pytest.mark.parametrize("name", ["630k-fusion-best", "630k-fusion-best.pt"])
def test_a_name_is_fetched_from_the_hub(tmp_path, monkeypatch, name):
    save_laion(tmp_path / "blob", hollow_state(FUSED))
    fake = FakeHub({"630k-fusion-best.pt": tmp_path / "blob"})
    monkeypatch.setattr(hub, "fetch", fake.fetch)
    checkpoint = open_checkpoint(name)
    assert fake.asked == [("lukewys/laion_clap", "630k-fusion-best.pt")]
    assert checkpoint.origin == "https://huggingface.co/lukewys/laion_clap/resolve/main/630k-fusion-best.pt"
    assert checkpoint.licence == "CC0-1.0"
    assert checkpoint.architecture == FUSED


def test_what_is_fetched_must_have_the_published_hash(tmp_path, monkeypatch):
    save_laion(tmp_path / "blob", hollow_state(TINY))
    monkeypatch.setattr(hub, "fetch", FakeHub({"630k-audioset-best.pt": tmp_path / "blob"}).fetch)
    with pytest.raises(CheckpointError, match=r"but 8053c97.* was published: delete it and try again"):
        open_checkpoint("630k-audioset-best")


def test_a_published_file_is_known_by_its_hash_whatever_its_name(tmp_path, monkeypatch):
    path = tmp_path / "from-a-friend.pt"
    save_laion(path, hollow_state(TINY))
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(
        hub.PUBLISHED, "630k-best", hub.Published(hub.LAION, "630k-best.pt", found, "CC0-1.0")
    )
    checkpoint = open_checkpoint(str(path))
    assert checkpoint.origin.endswith("lukewys/laion_clap/resolve/main/630k-best.pt")
    assert checkpoint.licence == "CC0-1.0"


def test_a_file_in_the_way_is_taken_rather_than_the_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_laion(tmp_path / "630k-best", hollow_state(TINY))
    assert open_checkpoint("630k-best").origin == "630k-best"


def test_a_caution_is_logged(tmp_path, monkeypatch, caplog):
    save_laion(tmp_path / "blob", hollow_state(TINY))
    published = hub.Published("someone/model", "blob", None, "MIT", caution="it hums")
    monkeypatch.setitem(hub.PUBLISHED, "model", published)
    monkeypatch.setattr(hub, "fetch", FakeHub({"blob": tmp_path / "blob"}).fetch)
    with caplog.at_level(logging.WARNING):
        open_checkpoint("model")
    assert "someone/model: it hums" in caplog.text
