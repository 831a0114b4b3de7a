"""Ways to damage a bundle, each refused in one line: which file or key, what was wrong, what to do."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from synthetic_bundle import (
    EMBEDDING_DIM,
    edit_manifest,
    replace_arrays,
    replace_file,
)
from synthetic_text import write_text_bundle

from edge.bundle import load_bundle
from edge.bundle_arrays import npz_bytes
from edge.errors import BundleError

BOTH = ("fp32", "int8")
PROTOTYPES, GOLDEN, BACKGROUND = "prototypes.fp32.npz", "golden.fp32.npz", "background.npz"
POOL = "pool.fp32.npz"
ENCODER = "audio_encoder.fp32.onnx"
ADVICE = re.compile(
    r"(copy the bundle again|export it again with edge-export|upgrade edge-listen|check its name|"
    r"name the directory that holds manifest\.json|name one that does|check its permissions and its disk)$"
)
Plain = dict[str, Any]
Damage = Callable[[Path], object]


@pytest.fixture(scope="session")
def sound_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_bundle(tmp_path_factory.mktemp("sound") / "bundle", BOTH).directory


@pytest.fixture
def bundle(sound_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound_bundle, tmp_path / "bundle"))


def read_all(directory: Path) -> None:
    """What is verified only where it is used, too."""
    load_bundle(directory).verify()


def refusal(directory: Path) -> str:
    with pytest.raises(BundleError) as caught:
        read_all(directory)
    return str(caught.value)


def manifest(change: Callable[[Plain], object]) -> Damage:
    return lambda directory: edit_manifest(directory, change)


def key(path: str, value: object) -> Damage:
    """Set `labels.0.name` and the like."""

    def change(plain: Any) -> None:
        *parents, last = path.split(".")
        for parent in parents:
            plain = plain[int(parent) if parent.isdigit() else parent]
        plain[last] = value

    return manifest(change)


def raw_manifest(change: Callable[[bytes], bytes]) -> Damage:
    def apply(directory: Path) -> None:
        path = directory / "manifest.json"
        path.write_bytes(change(path.read_bytes()))

    return apply


def arrays(name: str, **changes: object) -> Damage:
    return lambda directory: replace_arrays(directory, name, changes)


def array(name: str, array_name: str, change: Callable[[Any], object]) -> Damage:
    def apply(directory: Path) -> None:
        with np.load(directory / name) as old:
            replace_arrays(directory, name, {array_name: change(old[array_name])})

    return apply


def put(value: object, *index: int) -> Callable[[Any], object]:
    """A copy of the array with one value changed."""

    def change(old: Any) -> object:
        new = old.copy()
        new[index] = value
        return new

    return change


def content(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """Other bytes, of which the manifest knows."""
    return lambda directory: replace_file(directory, name, change((directory / name).read_bytes()))


def flip(directory: Path) -> None:
    path = directory / ENCODER
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(directory: Path) -> None:
    os.truncate(directory / ENCODER, 100)


def rename_file(new: str) -> Damage:
    def change(plain: Plain) -> None:
        plain["files"][new] = plain["files"].pop(GOLDEN)
        plain["encoders"][0]["golden"] = new

    return manifest(change)


def link_out(directory: Path) -> None:
    outside = directory.parent / "outside.onnx"
    (directory / ENCODER).rename(outside)
    (directory / ENCODER).symlink_to(outside)


def link_to_itself(directory: Path) -> None:
    (directory / ENCODER).unlink()
    (directory / ENCODER).symlink_to(ENCODER)


def pipe(directory: Path) -> None:
    (directory / ENCODER).unlink()
    os.mkfifo(directory / ENCODER)


def folder(directory: Path) -> None:
    (directory / ENCODER).unlink()
    (directory / ENCODER).mkdir()


def pickled(_: bytes) -> bytes:
    buffer = io.BytesIO()
    objects = {"vectors": np.array([print], object), "owners": np.zeros(1, np.int32), "encoder_sha256": "0"}
    np.savez(buffer, **objects)  # type: ignore[arg-type]
    return buffer.getvalue()


def compressed(data: bytes) -> bytes:
    buffer = io.BytesIO()
    with np.load(io.BytesIO(data)) as old:
        np.savez_compressed(buffer, **dict(old))
    return buffer.getvalue()


def npy_of_a_lie(data: bytes) -> bytes:
    """The header promises more rows than there are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for member in old.infolist():
            new.writestr(member, old.read(member).replace(b"(4, 32)", b"(9, 32)"))
    return buffer.getvalue()


def foreign_prototypes(directory: Path) -> None:
    replace_file(directory, PROTOTYPES, (directory / "prototypes.int8.npz").read_bytes())


def duplicate_key(data: bytes) -> bytes:
    return data.replace(b'"name"', b'"name": "first", "name"', 1)


VECTORS_SHAPE = (4, EMBEDDING_DIM)
DAMAGES: dict[str, tuple[Damage, str]] = {
    # the directory and its manifest
    "the directory is gone": (shutil.rmtree, "no bundle at .*: there is no such directory"),
    "no manifest": (
        lambda d: (d / "manifest.json").unlink(),
        "is not a bundle: it holds no file manifest.json",
    ),
    "manifest cut off": (
        raw_manifest(lambda b: b[: len(b) // 2]),
        r"manifest.json is not JSON at line \d+, column \d+ \(",
    ),
    "manifest empty": (raw_manifest(lambda _: b""), "manifest.json is not JSON at line 1, column 1"),
    "manifest not text": (raw_manifest(lambda b: b[:50] + b"\xff" + b[50:]), "not UTF-8 text from byte 50"),
    "manifest a list": (raw_manifest(lambda _: b"[]"), "must hold a JSON object, not a list"),
    "manifest too deep": (raw_manifest(lambda _: b"[" * 200_000), "nested too deeply"),
    "a key twice": (raw_manifest(duplicate_key), 'key "name" stands twice'),
    "NaN in the manifest": (raw_manifest(lambda b: b.replace(b"0.9,", b"NaN,", 1)), "NaN is not a number"),
    "newer schema": (key("schema_version", 3), "schema_version 3 was made by a newer version"),
    "older schema": (key("schema_version", 0), "schema_version 0 is unknown"),
    "no schema": (
        manifest(lambda m: m.pop("schema_version")),
        "schema_version is missing, so this is no bundle",
    ),
    "a key missing": (manifest(lambda m: m.pop("window_s")), "key window_s is missing"),
    "an inner key missing": (
        manifest(lambda m: m["labels"][1].pop("support")),
        r"key labels\[1\].support is missing",
    ),
    "an unknown key": (key("labels.0.colour", "red"), r"unknown key labels\[0\].colour"),
    "a key of another type": (
        key("labels.0.support", "many"),
        r'labels\[0\].support must be a whole number, not "many"',
    ),
    "truth for a number": (key("hop_s", value=True), "hop_s must be a finite number, not true"),
    "an infinite number": (
        raw_manifest(lambda b: b.replace(b"0.48", b"1e999")),
        "hop_s must be a finite number",
    ),
    "text for a list": (key("labels.0.aliases", "dog"), r"labels\[0\].aliases must be a list"),
    "an unknown padding": (key("padding", "mirror"), 'padding must be "repeat" or "zero", not "mirror"'),
    "another time zone": (key("created", "2025-01-31T12:00:00+01:00"), "created must be a UTC time"),
    "a name of two lines": (key("name", "one\ntwo"), "name must be printable text"),
    "an impossible log-mel": (key("log_mel.fmax_hz", 9000), "log-mel needs .* fmax_hz"),
    "a hop between samples": (key("hop_s", 0.48001), "hop_s must be a positive whole number of samples"),
    "a window between samples": (
        key("window_s", 2.58501),
        "window_s must be a positive whole number of samples",
    ),
    "a negative clip": (key("clip_s", -1.0), "clip_s must be a positive whole number of samples"),
    "a hop beyond the window": (key("hop_s", 3.0), "hop_s must not exceed window_s"),
    "a window beyond the clip": (key("clip_s", 2.0), "nor window_s clip_s"),
    "no encoders": (key("encoders", []), "encoders is empty"),
    "two encoders of a name": (key("encoders.1.name", "fp32"), 'two encoders are named "fp32"'),
    "an encoder of another kind": (
        key("encoders.0.kind", "transformer"),
        'of kind "transformer", which this version',
    ),
    "an encoder without files": (key("encoders.0.files", []), 'encoder "fp32" names no files'),
    "nothing to listen for": (manifest(lambda m: m.update(labels=m["labels"][3:])), "nothing to listen for"),
    "two labels of a name": (
        key("labels.1.name", "Dog-Bark"),
        'labels "dog bark" and "Dog-Bark" both answer to',
    ),
    "aliases that clash": (key("labels.1.aliases", ["BARKING_DOG"]), '"siren" both answer to "BARKING_DOG"'),
    "an alias of nothing": (key("labels.1.aliases", ["__"]), 'answers to "__", which has no letters'),
    "a threshold out of range": (
        key("labels.0.thresholds.int8", 1.5),
        'threshold of "dog bark" for encoder "int8"',
    ),
    "a threshold missing": (
        manifest(lambda m: m["labels"][0]["thresholds"].pop("int8")),
        'thresholds of "dog bark"',
    ),
    "a threshold of a background": (
        key("labels.3.thresholds", {"fp32": 0.5}),
        'background "background rain" must have no thres',
    ),
    "a margin out of range": (key("rules.margin", 3), "rules.margin must be within -2 and 2, but is 3"),
    "a rule of negative time": (key("rules.release_s", -1), "rules.release_s must be within 0 and 3600"),
    "a rule between samples": (key("rules.release_s", 0.00001), "rules.release_s must be a whole number of"),
    "rules that contradict each other": (
        key("rules.confirm_s", 3),
        "rules.within_s 2.4 is shorter than rules.confirm_s 3",
    ),
    "a rule missing": (manifest(lambda m: m["rules"].pop("within_s")), "key rules.within_s is missing"),
    "the rivals missing": (manifest(lambda m: m["rules"].pop("rivals")), "key rules.rivals is missing"),
    "rivals of another kind": (
        key("rules.rivals", "some"),
        'rules.rivals must be "background" or "all" or "none", not "some"',
    ),
    "a note of two lines": (key("labels.0.note", "one\ntwo"), 'note of "dog bark" must be printable text'),
    "a figure of parity that is a list": (key("parity", {"cosine": []}), "parity.* must be a finite number"),
    # making labels from text
    "a text encoder without recipe": (key("recipe", None), "text_encoder needs a recipe"),
    "a text encoder without pools": (
        manifest(lambda m: [e.update(pool=None) for e in m["encoders"]]),
        'text_encoder needs pools for recipe.method "proto"',
    ),
    "a text encoder of another key": (key("text_encoder.colour", "red"), "unknown key text_encoder.colour"),
    "a text encoder without files": (key("text_encoder.files", []), "text_encoder names no files"),
    "a text encoder of no tokens": (key("text_encoder.max_tokens", 2), "max_tokens must be at least 3"),
    "a text encoder of another length": (
        key("text_encoder.embedding_dim", 512),
        'text_encoder.embedding_dim 512 is not that of encoder "fp32", 32',
    ),
    "a text encoder unlisted": (
        manifest(lambda m: m["files"].pop("tokenizer.json")),
        '"tokenizer.json" is used, but files does not list it',
    ),
    "a recipe without prompts": (key("recipe.prompts", []), "recipe.prompts is empty"),
    "a prompt without label": (key("recipe.prompts", ["a dog"]), "holds {label} 0 times"),
    "a prompt of two labels": (key("recipe.prompts", ["{label} {label}"]), "holds {label} 2 times"),
    "a recipe of another method": (
        key("recipe.method", "magic"),
        'recipe.method must be "proto" or "zero-sh',
    ),
    "a recipe of no neighbours": (key("recipe.k", 0), "recipe.k must be at least 1, but is 0"),
    "a pool for one encoder only": (key("encoders.1.pool", None), 'encoder "int8" has no pool, but others'),
    # file names
    "path traversal": (rename_file("../golden.npz"), r'file name "../golden.npz" leads out'),
    "path traversal inside": (rename_file("a/../../golden.npz"), 'file name "a/../../golden.npz" leads out'),
    "an absolute path": (rename_file("/etc/passwd"), 'file name "/etc/passwd" is absolute'),
    "a drive": (rename_file("C:golden.npz"), 'file name "C:golden.npz" is absolute'),
    "a backslash": (rename_file("..\\golden.npz"), "has a backslash"),
    "an empty name": (rename_file(""), 'file name "" is not a plain path'),
    "a control character": (rename_file("golden\u0000.npz"), "is not a plain path"),
    "the manifest itself": (rename_file("manifest.json"), "is the manifest's own"),
    "a file unlisted": (manifest(lambda m: m["files"].pop(GOLDEN)), '"golden.fp32.npz" is used, but files'),
    # files
    "a file missing": (lambda d: (d / ENCODER).unlink(), "audio_encoder.fp32.onnx is missing"),
    "a file truncated": (truncate, r"audio_encoder.fp32.onnx must have \d+ bytes, but has 100"),
    "a byte flipped": (flip, "audio_encoder.fp32.onnx is damaged: its sha256"),
    "a hash that is none": (key("files", {ENCODER: {"sha256": "x", "size_bytes": 1}}), "64 lower-case hex"),
    "a link out of the bundle": (link_out, "is a link that leads out of the bundle"),
    "a link to itself": (link_to_itself, "is a link that leads nowhere"),
    "a pipe for a file": (pipe, "is not a regular file"),
    "a folder for a file": (folder, "is not a regular file"),
    # prototypes
    "prototypes of another encoder": (foreign_prototypes, 'made with another encoder than "fp32"'),
    "prototypes no npz": (
        content(PROTOTYPES, lambda _: b"not a zip"),
        "prototypes.fp32.npz is not a readable npz",
    ),
    "prototypes cut off": (
        content(PROTOTYPES, lambda b: b[:-50]),
        "prototypes.fp32.npz is not a readable npz",
    ),
    "prototypes pickled": (
        content(PROTOTYPES, pickled),
        "vectors holds pickled objects, which are never read",
    ),
    "prototypes compressed": (content(PROTOTYPES, compressed), "prototypes.fp32.npz is compressed"),
    "prototypes that lie": (
        content(PROTOTYPES, npy_of_a_lie),
        "vectors needs 1152 bytes for its shape, not 512",
    ),
    "an array missing": (arrays(PROTOTYPES, owners=None), "must hold .*owners.npy.*, but holds"),
    "an array too many": (arrays(PROTOTYPES, extra=np.ones(1)), "but holds .*extra.npy"),
    "vectors in double precision": (
        array(PROTOTYPES, "vectors", np.float64),
        r"float32 \(n, 32\), not float64",
    ),
    "vectors of another length": (
        arrays(PROTOTYPES, vectors=np.ones((4, 5), np.float32)),
        r"vectors must be float32 \(n, 32\), not float32 \(4, 5\)",
    ),
    "no vectors": (
        arrays(PROTOTYPES, vectors=np.ones((0, EMBEDDING_DIM), np.float32), owners=np.zeros(0, np.int32)),
        r"vectors must be .*, not float32 \(0, 32\)",
    ),
    "vectors not finite": (
        array(PROTOTYPES, "vectors", put(np.nan, 0, 0)),
        "vectors holds a value that is not finite",
    ),
    "vectors not of unit norm": (
        array(PROTOTYPES, "vectors", lambda v: v * 1.01),
        "vectors row . must have norm 1",
    ),
    "owners too few": (
        array(PROTOTYPES, "owners", lambda o: o[:3]),
        r"owners must be int32 \(4\), not int32 \(3\)",
    ),
    "owners of no label": (array(PROTOTYPES, "owners", put(9, 3)), "owners must be within 0 and 3"),
    "owners out of order": (
        array(PROTOTYPES, "owners", lambda o: o[::-1]),
        "owners are not in ascending order",
    ),
    "a label without prototype": (
        array(PROTOTYPES, "owners", put(2, 3)),
        "label 'background rain' has no prototype",
    ),
    "an encoder hash that is none": (
        arrays(PROTOTYPES, encoder_sha256=7),
        "encoder_sha256 must be a single text",
    ),
    # pool
    "a pool of another encoder": (
        lambda d: replace_file(d, POOL, (d / "pool.int8.npz").read_bytes()),
        'pool.fp32.npz was made with another encoder than "fp32"',
    ),
    "a pool in single precision": (
        array(POOL, "embeddings", np.float32),
        r"embeddings must be float16 \(n, 32\), not float32",
    ),
    "a pool not of unit norm": (array(POOL, "embeddings", put(1, 7, 0)), "embeddings row 7 must have norm 1"),
    "a pool not finite": (
        array(POOL, "embeddings", put(np.nan, 7, 0)),
        "pool.*embeddings holds a value that",
    ),
    "a pool of other recordings": (
        array(POOL, "recording", lambda r: r[:-1]),
        r"recording must be int32 \(41\), not int32 \(40\)",
    ),
    "a pool out of order": (
        array(POOL, "recording", lambda r: r[::-1]),
        "recording must ascend from 0 without gaps",
    ),
    "a pool's recording left out": (
        array(POOL, "recording", lambda r: r + (r > 20)),
        "pool.fp32.npz: recording must ascend",
    ),
    "a pool of too few names": (
        array(POOL, "names", lambda n: n[:-1]),
        r"names must be text \(40\), not str.* \(39\)",
    ),
    "a pool of numbers for names": (array(POOL, "names", lambda n: np.arange(len(n))), "not int64"),
    "a pool of bytes for names": (
        array(POOL, "names", lambda n: n.astype(bytes)),
        r"names must be text \(40\), not bytes",
    ),
    "a pool of two recordings": (
        arrays(
            POOL,
            embeddings=np.eye(2, EMBEDDING_DIM, dtype=np.float16),
            recording=np.arange(2, dtype=np.int32),
            names=np.array(["a", "b"]),
        ),
        "a pool needs 8 recordings, but has 2",
    ),
    "a pool without maker": (arrays(POOL, encoder_sha256=None), "must hold .*encoder_sha256.npy"),
    # golden and background
    "golden of another shape": (
        array(GOLDEN, "log_mel", lambda m: m[:-1]),
        r"log_mel must be float32 \(257, 64\)",
    ),
    "golden not finite": (
        array(GOLDEN, "log_mel", put(np.inf, 3, 3)),
        "log_mel holds a value that is not finite",
    ),
    "golden embedding not of unit norm": (
        array(GOLDEN, "embedding", lambda e: e * 2),
        "embedding .* must have norm 1",
    ),
    "background of another length": (
        arrays(BACKGROUND, embeddings=np.ones((2, 5), np.int8)),
        r"embeddings must be int8 \(n, 32\)",
    ),
    "background of zeros": (array(BACKGROUND, "embeddings", lambda e: e * 0), "holds a row of zeros"),
    "background of no weight": (array(BACKGROUND, "weight", put(0, 0)), "weight must be above 0"),
    "background of no duration": (arrays(BACKGROUND, duration_s=np.float64(0)), "duration_s must be above 0"),
    "background of a scalar": (
        arrays(BACKGROUND, embeddings=np.int8(1)),
        r"embeddings must be .*, not int8 \(\)",
    ),
    "background with a moment left out": (
        array(BACKGROUND, "moment", put(5, -1)),
        "moment must ascend from 0 without gaps",
    ),
    "background with windows out of order": (
        array(BACKGROUND, "position", put(9, 0)),
        "positions must ascend within a moment",
    ),
    "background of too many recordings": (
        array(BACKGROUND, "recording", put(60, 0)),
        "recording must be within 0 and 59",
    ),
    "a member of no label": (
        array(BACKGROUND, "member_label", put(4, 0)),
        "member_label must be within 0 and 3",
    ),
    "background of another encoder": (
        arrays(BACKGROUND, encoder_sha256=np.str_("0" * 64)),
        'background.npz was made with another encoder than "fp32"',
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_bundle_is_refused_in_a_line_that_says_why(
    bundle: Path, damage: Damage, message: str
) -> None:
    damage(bundle)
    said = refusal(bundle)
    assert re.search(message, said), said
    assert str(bundle) in said
    assert said.isprintable()
    assert ADVICE.search(said), said


def test_no_two_kinds_of_damage_are_reported_alike(sound_bundle: Path, tmp_path: Path) -> None:
    # These differ only in where the damage came from, not in what is wrong.
    same = {"a folder for a file": "a pipe for a file", "prototypes cut off": "prototypes no npz"}
    said: dict[str, str] = {}
    for number, (kind, (damage, _)) in enumerate(DAMAGES.items()):
        directory = Path(shutil.copytree(sound_bundle, tmp_path / str(number) / "bundle"))
        damage(directory)
        said[kind] = refusal(directory).replace(str(directory), "")
    for kind in same:
        del said[kind]
    assert len(set(said.values())) == len(said)


def test_a_file_in_place_of_the_directory_is_refused(bundle: Path) -> None:
    assert "is not a directory; name the directory that holds" in refusal(bundle / "manifest.json")


def test_each_key_of_the_manifest_is_required_and_named(bundle: Path) -> None:
    plain = json.loads((bundle / "manifest.json").read_text())
    for name in plain:
        less = {other: value for other, value in plain.items() if other != name}
        (bundle / "manifest.json").write_text(json.dumps(less))
        assert f"key {name} is missing" in refusal(bundle)


def test_any_flipped_byte_of_any_listed_file_is_refused(bundle: Path) -> None:
    rng = np.random.default_rng(1)
    for path in sorted(bundle.iterdir()):
        if path.name == "manifest.json":
            continue
        original = path.read_bytes()
        for position in rng.integers(0, len(original), 3):
            damaged = bytearray(original)
            damaged[position] ^= 1 << int(rng.integers(8))
            path.write_bytes(damaged)
            assert f"{path.name} is damaged" in refusal(bundle)
        path.write_bytes(original)


@pytest.mark.parametrize(
    "name",
    ["audio_encoder.fp32.onnx", "audio_encoder.int8.onnx", POOL, "text_encoder.onnx", "tokenizer.json"],
)
def test_a_large_file_is_read_where_it_is_used_and_refused_there_if_it_is_damaged(
    bundle: Path, name: str
) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    loaded = load_bundle(bundle)
    fp32, int8 = loaded.manifest.encoders
    text_encoder = loaded.manifest.text_encoder
    assert text_encoder is not None
    uses: dict[str, Callable[[], object]] = {
        "audio_encoder.fp32.onnx": lambda: loaded.verified_encoder(fp32),
        "audio_encoder.int8.onnx": lambda: loaded.verified_encoder(int8),
        POOL: lambda: loaded.pool(fp32),
        "text_encoder.onnx tokenizer.json": lambda: loaded.verified_text_encoder(text_encoder),
    }
    for used, use in uses.items():
        if name in used.split():
            with pytest.raises(BundleError, match=f"{name} is damaged: its sha256"):
                use()
        else:
            use()


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_npz_wrong_in_itself_never_raises_anything_else(bundle: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([PROTOTYPES, BACKGROUND, POOL]))
    original = (bundle / name).read_bytes()
    spoilt = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    replace_file(bundle, name, bytes(spoilt))
    try:
        read_all(bundle)
    except BundleError as error:
        assert str(error).isprintable()  # noqa: PT017  a change that alters nothing may load
    finally:
        replace_file(bundle, name, original)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_manifest_of_any_other_bytes_never_raises_anything_else(bundle: Path, data: st.DataObject) -> None:
    path = bundle / "manifest.json"
    original = path.read_bytes()
    spoilt = bytearray(original)
    for _ in range(data.draw(st.integers(1, 3))):
        spoilt[data.draw(st.integers(0, len(spoilt) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(spoilt))
    try:
        read_all(bundle)
    except BundleError as error:
        assert str(error).isprintable()  # noqa: PT017  a change inside free text may load
    finally:
        path.write_bytes(original)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_subnormal=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_in_place_of_a_key_never_raises_anything_else(bundle: Path, data: st.DataObject) -> None:
    path = bundle / "manifest.json"
    original = path.read_bytes()
    plain = json.loads(original)
    at: Any = plain
    while True:
        places = list(at) if isinstance(at, dict) else list(range(len(at)))
        place = data.draw(st.sampled_from(places))
        if not isinstance(at[place], (dict, list)) or not at[place] or data.draw(st.booleans()):
            break
        at = at[place]
    at[place] = data.draw(json_values)
    path.write_text(json.dumps(plain))
    try:
        read_all(bundle)
    except BundleError as error:
        assert str(error).isprintable()  # noqa: PT017  a value that fits may load
    finally:
        path.write_bytes(original)


def test_nothing_unpickled_while_a_pickled_file_is_refused(bundle: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
            return os.mkdir, (str(bundle / "executed"),)

    buffer = io.BytesIO()
    np.savez(buffer, vectors=np.array([Bomb()], object), owners=np.zeros(1), encoder_sha256="0")
    replace_file(bundle, PROTOTYPES, buffer.getvalue())
    assert "pickled objects" in refusal(bundle)
    assert not (bundle / "executed").exists()


def test_a_shape_beyond_all_memory_is_refused_without_being_made(bundle: Path) -> None:
    buffer = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (1 << 50, EMBEDDING_DIM)}
    np.lib.format.write_array_header_1_0(buffer, header)
    good = zipfile.ZipFile(io.BytesIO(npz_bytes(owners=np.zeros(1, np.int32), encoder_sha256="0")))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for member in good.infolist():
            archive.writestr(member, good.read(member))
        archive.writestr("vectors.npy", buffer.getvalue())
    replace_file(bundle, PROTOTYPES, out.getvalue())
    assert "vectors needs" in refusal(bundle)
