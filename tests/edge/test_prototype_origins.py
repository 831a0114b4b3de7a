from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from synthetic_bundle import EMBEDDING_DIM, replace_file, write_synthetic_bundle

from edge.bundle import Bundle, load_bundle
from edge.custom_labels import CustomLabel, with_labels
from edge.explaining.origins import prototype_origins
from edge.manifest import LabelEntry
from edge.overlay.content import EnrolledSound, Overlay, SiteBackground
from edge.overlay.labels import with_overlay

NOTHING_ADDED = Overlay("ab" * 32)
HEADER = "file,author,licence,source,labels\n"


def unit_rows(n: int) -> NDArray[np.float32]:
    return np.eye(n, EMBEDDING_DIM, dtype=np.float32)


def bundle_with(directory: Path, attribution: bytes | str) -> Bundle:
    write_synthetic_bundle(directory)
    content = attribution if isinstance(attribution, bytes) else attribution.encode()
    replace_file(directory, "attribution.csv", content)
    return load_bundle(directory)


def origins_of(bundle: Bundle) -> dict[str, str]:
    """Of a bundle to which nothing was added, by name: it has one prototype each."""
    prototypes = bundle.prototypes(bundle.encoder_entry())
    return dict(zip(prototypes.names, prototype_origins(bundle, prototypes, NOTHING_ADDED, ()), strict=True))


def made_label(name: str, method: str, support: int) -> CustomLabel:
    entry = LabelEntry(name, "label", (), (), None, method, support, {"fp32": 0.4}, None)
    return CustomLabel(entry, unit_rows(1)[0], ())


def test_a_bundles_label_names_its_recordings_and_their_licences(tmp_path: Path) -> None:
    rows = 'a.wav,Ann,CC0,x,dog bark\n"b, c.wav",Bob,CC BY 4.0,x,siren; dog bark\nd.wav,Dee,CC0,x,\n'
    origins = origins_of(bundle_with(tmp_path / "bundle", HEADER + rows))
    assert origins == {
        "dog bark": "one tone: a.wav (CC0), b, c.wav (CC BY 4.0)",
        "siren": "one tone: b, c.wav (CC BY 4.0)",
        "alarm beep": "one tone, from 1 recording",
        "rain": "white noise, from 1 recording",
    }


def test_of_many_recordings_three_are_named_and_the_rest_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"{n}.wav,Ann,CC0,x,siren\n" for n in range(28))
    origins = origins_of(bundle_with(tmp_path / "bundle", HEADER + rows))
    assert origins["siren"] == "one tone: 0.wav (CC0), 1.wav (CC0), 2.wav (CC0) and 25 more"


@pytest.mark.parametrize(
    "attribution", ["", "file,author,licence,source\na.wav,Ann,CC0,x\n", HEADER + "a.wav,Ann\n", "labels\n"]
)
def test_where_the_table_does_not_say_whose_recordings_are_which_the_method_must_do(
    tmp_path: Path, attribution: str, caplog: pytest.LogCaptureFixture
) -> None:
    origins = origins_of(bundle_with(tmp_path / "bundle", attribution))
    assert origins["siren"] == "one tone, from 1 recording"
    assert caplog.records == []


def test_a_bundle_without_such_a_table_says_method_and_number(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle")
    labels = tuple(replace(label, support=0, method="zero-shot") for label in bundle.manifest.labels)
    provenance = replace(bundle.manifest.provenance, attribution=None)
    manifest = replace(bundle.manifest, labels=labels, provenance=provenance)
    assert origins_of(replace(bundle, manifest=manifest))["siren"] == "zero-shot"


def test_a_table_with_gaps_names_what_it_has(tmp_path: Path) -> None:
    bundle = bundle_with(tmp_path / "bundle", "labels,file\nsiren,\nsiren;;,a.wav,too,many\n")
    named = "one tone: without a name (licence unknown), a.wav (licence unknown)"
    assert origins_of(bundle)["siren"] == named


@pytest.mark.parametrize("attribution", [b"\xff\xfe\x00", HEADER.encode() + b'"' + b"x" * 200_000])
def test_a_table_that_cannot_be_read_is_told_and_the_rest_goes_on(
    tmp_path: Path, attribution: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        origins = origins_of(bundle_with(tmp_path / "bundle", attribution))
    assert origins["siren"] == "one tone, from 1 recording"
    (record,) = caplog.records
    assert "attribution.csv cannot be read, so recordings are not named: " in record.message


def test_a_table_that_has_gone_is_told_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "attribution.csv").unlink()
    assert origins_of(bundle)["siren"] == "one tone, from 1 recording"
    assert "cannot be read" in caplog.text


def test_every_row_says_where_it_comes_from_whoever_added_it(tmp_path: Path) -> None:
    bundle = write_synthetic_bundle(tmp_path / "bundle")
    made = (made_label("kettle", "proto", 35), made_label("gull", "zero-shot", 0))
    vectors, clips = unit_rows(2), ("ring1.wav", "ring2.wav", "ring3.wav")
    doorbell = EnrolledSound("our doorbell", vectors, ("ring1.wav, ring2.wav", "ring3.wav"), clips, 0.6, "")
    gate = EnrolledSound("our gate", unit_rows(1), ("gate.wav",), ("gate.wav",), 0.6, "")
    site = SiteBackground(unit_rows(3), "2026-11-26T14:00:00Z", 1800.0, -50.0)
    overlay = Overlay("ab" * 32, (doorbell, gate), site)
    prototypes = with_overlay(with_labels(bundle.prototypes(bundle.encoder_entry()), made), overlay, {})
    assert prototype_origins(bundle, prototypes, overlay, made) == (
        *["one tone, from 1 recording"] * 3,
        "white noise, from 1 recording",
        "its text and 35 recordings of the bundle's pool",
        "its text alone",
        "your own ring1.wav, ring2.wav",
        "your own ring3.wav",
        "your own gate.wav",
        *["this place, learned on 2026-11-26"] * 3,
    )
