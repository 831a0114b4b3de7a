"""A bundle: written whole or not at all, and read back as it was written."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic_bundle import (
    EMBEDDING_DIM,
    N_FRAMES,
    THRESHOLD,
    TONES_HZ,
    edit_manifest,
    synthetic_files,
    synthetic_manifest,
    write_synthetic_bundle,
)
from synthetic_text import N_KETTLES, text_files, text_manifest, write_text_bundle

from edge.bundle import load_bundle
from edge.bundle_arrays import npz_bytes
from edge.bundle_writer import write_bundle
from edge.errors import BundleError
from edge.manifest import (
    EncoderEntry,
    LabelEntry,
    Manifest,
    Provenance,
    Recipe,
    RuleDefaults,
    TextEncoderEntry,
)
from edge.manifest_json import manifest_bytes, parse_manifest

BOTH = ("fp32", "int8")


def contents(directory: Path) -> dict[str, bytes]:
    return {str(p.relative_to(directory)): p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_a_written_bundle_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    files = synthetic_files(BOTH)
    written = write_bundle(tmp_path / "new" / "bundle", synthetic_manifest(BOTH), files)
    read = load_bundle(tmp_path / "new" / "bundle")
    assert read.manifest == written.manifest
    assert dataclasses.replace(read.manifest, files={}) == synthetic_manifest(BOTH)
    assert read.sha256 == hashlib.sha256((read.directory / "manifest.json").read_bytes()).hexdigest()
    assert {name: data for name, data in contents(read.directory).items() if name != "manifest.json"} == files
    assert list((tmp_path / "new").iterdir()) == [read.directory]


def test_each_encoder_has_its_own_prototypes_thresholds_and_golden(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle", BOTH)
    fp32, int8 = bundle.manifest.encoders
    prototypes = bundle.prototypes(fp32)
    assert prototypes.names == (*TONES_HZ, "rain")
    assert prototypes.background == (False, False, False, True)
    assert prototypes.vectors.shape == (4, EMBEDDING_DIM)
    assert not np.array_equal(prototypes.vectors, bundle.prototypes(int8).vectors)
    assert bundle.thresholds(int8) == dict.fromkeys(TONES_HZ, THRESHOLD)
    assert bundle.golden(fp32).log_mel.shape == (N_FRAMES, 64)
    assert bundle.verified_encoder(int8) == (tmp_path / "bundle" / "audio_encoder.int8.onnx",)


def test_an_encoder_is_picked_by_name_else_by_device_else_it_is_the_first(tmp_path: Path) -> None:
    both = write_synthetic_bundle(tmp_path / "both", BOTH)
    assert both.encoder_entry("int8").name == "int8"
    assert both.encoder_entry().name == "fp32"
    assert both.encoder_entry(for_gpu=True).name == "int8"
    one = write_synthetic_bundle(tmp_path / "one")
    assert one.encoder_entry(for_gpu=True).name == "fp32"
    with pytest.raises(BundleError, match='no encoder "fp64"; the bundle has: fp32, int8'):
        both.encoder_entry("fp64")


def test_a_background_file_is_optional(tmp_path: Path) -> None:
    assert write_synthetic_bundle(tmp_path / "b", with_background=False).manifest.background is None


def test_a_bundle_with_text_encoder_and_pools_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = write_text_bundle(tmp_path / "bundle", BOTH)
    read = load_bundle(written.directory)
    assert read.manifest == written.manifest
    assert dataclasses.replace(read.manifest, files={}) == text_manifest(BOTH)
    files = {name: data for name, data in contents(read.directory).items() if name != "manifest.json"}
    assert files == text_files(BOTH)


def test_each_encoder_has_its_own_pool_of_unit_rows(tmp_path: Path) -> None:
    bundle = write_text_bundle(tmp_path / "bundle", BOTH)
    fp32, int8 = (bundle.pool(entry) for entry in bundle.manifest.encoders)
    assert fp32 is not None
    assert int8 is not None
    assert fp32.embeddings.dtype == np.float32
    assert np.abs(np.linalg.norm(fp32.embeddings, axis=1) - 1.0).max() < 1e-6
    assert fp32.recording.tolist() == [0, 0, *range(1, 40)]
    assert fp32.names[:2] == ("kettle 0.wav", "kettle 1.wav")
    assert len([name for name in fp32.names if name.startswith("kettle")]) == N_KETTLES
    assert not np.allclose(fp32.embeddings, int8.embeddings)


def test_a_bundle_without_pools_has_none_to_give(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle")
    assert bundle.pool(bundle.encoder_entry()) is None


def test_a_pool_that_would_be_refused_when_it_is_read_is_never_installed(tmp_path: Path) -> None:
    files = text_files() | {"pool.fp32.npz": npz_bytes(embeddings=np.ones((2, EMBEDDING_DIM), np.float16))}
    with pytest.raises(BundleError, match=r"^not written: .*bundle/pool.fp32.npz must hold"):
        write_bundle(tmp_path / "bundle", text_manifest(), files)
    assert list(tmp_path.iterdir()) == []


def test_files_that_the_manifest_does_not_name_are_ignored(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle")
    (bundle.directory / ".DS_Store").write_bytes(b"left by a file manager")
    assert load_bundle(bundle.directory).sha256 == bundle.sha256


def test_the_same_input_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    files = synthetic_files()
    write_bundle(tmp_path / "one", synthetic_manifest(), files)
    write_bundle(tmp_path / "two", synthetic_manifest(), dict(reversed(list(files.items()))))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_npz_files_carry_no_time_of_writing() -> None:
    archive = zipfile.ZipFile(io.BytesIO(npz_bytes(a=np.ones(3), b=np.array("text"))))
    assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_files_can_be_copied_from_disk_and_lie_in_folders(tmp_path: Path) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("by hand")
    files: dict[str, bytes | Path] = {**synthetic_files(), "docs/notes.txt": source}
    bundle = write_bundle(tmp_path / "bundle", synthetic_manifest(), files)
    assert (bundle.directory / "docs" / "notes.txt").read_text() == "by hand"
    assert bundle.manifest.files["docs/notes.txt"].size_bytes == 7


def test_an_encoder_of_several_files_is_known_by_all_of_them(tmp_path: Path) -> None:
    files = synthetic_files(with_background=False)
    weights = b"weights that the graph refers to"
    graph = files["audio_encoder.fp32.onnx"]
    with np.load(io.BytesIO(files["prototypes.fp32.npz"])) as old:
        arrays = dict(old)
    arrays["encoder_sha256"] = np.array(hashlib.sha256(graph + weights).hexdigest())
    files |= {"weights.bin": weights, "prototypes.fp32.npz": npz_bytes(**arrays)}
    manifest = synthetic_manifest(with_background=False)
    (encoder,) = manifest.encoders
    split = dataclasses.replace(encoder, files=("audio_encoder.fp32.onnx", "weights.bin"))
    write_bundle(tmp_path / "bundle", dataclasses.replace(manifest, encoders=(split,)), files)
    swapped = dataclasses.replace(encoder, files=("weights.bin", "audio_encoder.fp32.onnx"))
    with pytest.raises(BundleError, match="another encoder"):
        write_bundle(tmp_path / "bad", dataclasses.replace(manifest, encoders=(swapped,)), files)


def test_a_bundle_that_would_be_refused_is_never_installed(tmp_path: Path) -> None:
    files = synthetic_files()
    del files["golden.fp32.npz"]
    with pytest.raises(BundleError, match=r'bundle/manifest.json: "golden.fp32.npz" is used, but files'):
        write_bundle(tmp_path / "bundle", synthetic_manifest(), files)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_already_is_replaced_only_on_demand(tmp_path: Path) -> None:
    old = write_synthetic_bundle(tmp_path / "bundle")
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(old.directory, synthetic_manifest(BOTH), synthetic_files(BOTH))
    assert load_bundle(old.directory).sha256 == old.sha256
    new = write_bundle(old.directory, synthetic_manifest(BOTH), synthetic_files(BOTH), replace=True)
    assert load_bundle(old.directory).sha256 == new.sha256 != old.sha256
    assert list(tmp_path.iterdir()) == [old.directory]


def test_a_failed_replacement_leaves_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = write_synthetic_bundle(tmp_path / "bundle")
    rename = Path.rename

    def rename_unless_new(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError("the disk is full")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_unless_new)
    with pytest.raises(BundleError, match="cannot be written: the disk is full"):
        write_bundle(old.directory, synthetic_manifest(BOTH), synthetic_files(BOTH), replace=True)
    assert load_bundle(old.directory).sha256 == old.sha256
    assert list(tmp_path.iterdir()) == [old.directory]


def test_the_only_copy_of_an_old_bundle_is_never_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = write_synthetic_bundle(tmp_path / "bundle")
    rename = Path.rename

    def rename_away_only(path: Path, target: Path) -> Path:
        if Path(target).name == "bundle":
            raise OSError("the disk is failing")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_away_only)
    with pytest.raises(BundleError, match="cannot be written"):
        write_bundle(old.directory, synthetic_manifest(), synthetic_files(), replace=True)
    (staging,) = tmp_path.iterdir()
    assert load_bundle(staging / "old").sha256 == old.sha256


def test_a_folder_that_is_no_bundle_is_never_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "letter.txt").write_text("dear")
    with pytest.raises(BundleError, match="is not a bundle, so it is not replaced"):
        write_bundle(precious, synthetic_manifest(), synthetic_files(), replace=True)
    assert (precious / "letter.txt").read_text() == "dear"


@pytest.mark.parametrize("name", ["../outside.txt", "/tmp/outside.txt", "a\\b", "manifest.json"])  # noqa: S108
def test_nothing_is_written_outside_the_bundle(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="file name"):
        write_bundle(tmp_path / "b" / "bundle", synthetic_manifest(), {**synthetic_files(), name: b"x"})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match="cannot be written") as caught:
        write_bundle(tmp_path / "file" / "bundle", synthetic_manifest(), synthetic_files())
    assert "\n" not in str(caught.value)


def test_a_value_that_json_cannot_hold_is_refused_at_writing(tmp_path: Path) -> None:
    manifest = dataclasses.replace(synthetic_manifest(), accuracy={"recall": float("nan")})
    with pytest.raises(BundleError, match="JSON cannot"):
        write_bundle(tmp_path / "bundle", manifest, synthetic_files())


def test_a_changed_manifest_has_another_hash(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle")
    edit_manifest(bundle.directory, lambda plain: plain.update(name="renamed"))
    assert load_bundle(bundle.directory).sha256 != bundle.sha256


names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
# No subnormals: a session that another test opened may have made them zero in this thread.
numbers = st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False)
unit = st.floats(-1.0, 1.0, allow_subnormal=False)
free_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)


@st.composite
def rule_defaults(draw: st.DrawFn) -> RuleDefaults:
    confirm, within, release = (n / 16000 for n in draw(st.tuples(*[st.integers(0, 160_000)] * 3)))
    rivals = draw(st.sampled_from(["background", "all", "none"]))
    margin = draw(st.floats(-2.0, 2.0, allow_subnormal=False))
    off_margin = draw(st.floats(0.0, 2.0, allow_subnormal=False))
    return RuleDefaults(margin, off_margin, min(confirm, within), max(confirm, within), release, rivals)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    base = synthetic_manifest()
    embedding_dim, has_pools = draw(st.integers(1, 2048)), draw(st.booleans())
    encoder_names = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    encoders = tuple(
        EncoderEntry(
            name,
            "clip",
            (f"{i}.onnx",),
            None,
            draw(st.sampled_from(("fp32", "fp16", "int8"))),
            draw(st.sampled_from(("cpu", "gpu"))),
            embedding_dim,
            f"p{i}.npz",
            f"g{i}.npz",
            f"pool{i}.npz" if has_pools else None,
        )
        for i, name in enumerate(encoder_names)
    )
    labels = [
        LabelEntry(
            name,
            "label",
            tuple(draw(st.lists(names, max_size=2))),
            (),
            draw(st.none() | names),
            draw(free_text),
            draw(st.integers(0, 10**6)),
            {encoder: draw(unit) for encoder in encoder_names},
            draw(st.none() | names),
        )
        for name in draw(st.lists(names, min_size=1, max_size=4))
    ]
    labels.append(LabelEntry(draw(names), "background", (), (), None, "pool", 3, {}, None))
    prompts = st.lists(names.map(lambda name: f"{name} {{label}}"), min_size=1, max_size=3).map(tuple)
    recipe = draw(
        st.none() | st.builds(Recipe, prompts, st.sampled_from(("proto", "zero-shot")), st.just(35))
    )
    can_take_words = recipe is not None and (has_pools or recipe.method == "zero-shot")
    text_encoder = TextEncoderEntry(("t.onnx",), "t.json", draw(st.integers(3, 512)), embedding_dim)
    hop, window, clip = sorted(draw(st.tuples(*[st.integers(400, 160_000)] * 3)))
    return dataclasses.replace(
        base,
        name=draw(names),
        window_s=window / 16000,
        clip_s=clip / 16000,
        hop_s=hop / 16000,
        padding=draw(st.sampled_from(("repeat", "zero"))),
        encoders=encoders,
        rules=draw(rule_defaults()),
        recipe=recipe,
        text_encoder=draw(st.none() | st.just(text_encoder)) if can_take_words else None,
        labels=tuple(labels),
        background=draw(st.none() | st.just("background.npz")),
        accuracy=draw(st.dictionaries(free_text, numbers | free_text, max_size=3)),
        parity=draw(st.dictionaries(free_text, numbers | free_text, max_size=3)),
        provenance=Provenance(draw(free_text), draw(free_text), draw(free_text), None),
    )


@given(manifests())
def test_any_manifest_survives_being_written_and_read(manifest: Manifest) -> None:
    data = manifest_bytes(manifest)
    read = parse_manifest(data, Path("manifest.json"))
    assert read == manifest
    assert manifest_bytes(read) == data
