"""Who may be judged on what: nothing learnt by heart, no fold that is kept, no label that isn't there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

for needed in ("sklearn", "scipy", "tqdm", "onnx"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extras `eval` and `test`")

from planted_embeddings import small_dataset, unit  # noqa: E402
from synthetic_bundle import EMBEDDING_DIM, replace_file, write_synthetic_bundle  # noqa: E402
from synthetic_text import write_text_bundle  # noqa: E402

from edge.bundle import Bundle, load_bundle  # noqa: E402
from edge.errors import BundleError, ConfigError, LabelError  # noqa: E402
from export.evaluation.accuracy import (  # noqa: E402
    Choice,
    Row,
    beside_first,
    bundle_rows,
    covered_classes,
    judgeable,
    of_classes,
    prepare,
)
from export.evaluation.accuracy_report import accuracy_report  # noqa: E402
from export.evaluation.accuracy_tables import confusion_text  # noqa: E402
from export.evaluation.datasets.dataset import Dataset  # noqa: E402
from export.evaluation.judging import Judged  # noqa: E402
from export.evaluation.looks import look  # noqa: E402
from export.evaluation.report import made_now, write_report  # noqa: E402
from export.evaluation.seen_clips import seen_clips  # noqa: E402

CLASSES = ("dog", "siren", "alarm beep")
CHOICE = Choice(k=3, euclidean=False, with_mlp=False, seed=0)


def dataset(classes: tuple[str, ...] = CLASSES, n_folds: int = 5) -> Dataset:
    return replace(small_dataset(len(classes), n_folds, 4), classes=classes)


def trained_on(tmp_path: Path, names: list[str]) -> Bundle:
    """The synthetic bundle, crediting these clips."""
    write_synthetic_bundle(tmp_path / "bundle")
    lines = "".join(f"{name},someone,CC0,nowhere\n" for name in names)
    replace_file(tmp_path / "bundle", "attribution.csv", ("file,author,licence,source\n" + lines).encode())
    return load_bundle(tmp_path / "bundle")


def vectors_of(bundle: Bundle, data: Dataset) -> np.ndarray:
    """Each clip is its class's prototype and a little noise."""
    prototypes = bundle.prototypes(bundle.encoder_entry())
    covered = covered_classes(bundle, data)
    rng = np.random.default_rng(0)
    own = np.stack([prototypes.vectors[prototypes.names.index(covered[c.classes[0]])] for c in data.clips])
    return unit(own + 0.1 * unit(rng.standard_normal(own.shape)))


def names_of(data: Dataset, *folds: str) -> list[str]:
    return [clip.name for clip in data.clips if clip.fold in folds]


def test_classes_are_found_by_name_data_set_name_and_plural(tmp_path: Path) -> None:
    bundle = trained_on(tmp_path, [])
    data = dataset(("dog_bark", "Sirens", "smoke-alarm", "rain", "violin"))
    assert covered_classes(bundle, data) == {0: "dog bark", 1: "siren", 2: "alarm beep"}


def test_clips_that_a_bundle_was_trained_on_are_not_judged(tmp_path: Path) -> None:
    data = dataset()
    seen = names_of(data, "1", "2", "3")[::2]
    bundle = trained_on(tmp_path, [f"some/folder/{Path(name).stem}.flac" for name in seen])
    assert seen_clips(bundle, data).names == set(seen)
    prepared = prepare(bundle, data, vectors_of(bundle, data), final=False)
    judged = [clip.name for clip, may in zip(data.clips, prepared.may_judge, strict=True) if may]
    assert set(judged) == set(names_of(data, "1", "2", "3", "5")) - set(seen)
    taught = [clip.name for clip, may in zip(data.clips, prepared.may_teach, strict=True) if may]
    assert taught == seen


def test_the_kept_fold_is_judged_alone_and_only_when_opened(tmp_path: Path) -> None:
    data = dataset()
    bundle = trained_on(tmp_path, names_of(data, "1", "2", "3"))
    seen = seen_clips(bundle, data)
    assert seen.kept == "4"
    assert {clip.fold for clip in seen.unseen(data.clips, final=False)} == {"5"}
    assert {clip.fold for clip in seen.unseen(data.clips, final=True)} == {"4"}


@pytest.mark.parametrize("folds", [(), ("1", "2", "3", "4", "5")])
def test_a_bundle_that_left_out_no_fold_or_saw_nothing_keeps_none(
    tmp_path: Path, folds: tuple[str, ...]
) -> None:
    data = dataset()
    assert seen_clips(trained_on(tmp_path, names_of(data, *folds)), data).kept is None


def test_nothing_left_to_judge_is_an_error(tmp_path: Path) -> None:
    data = dataset()
    bundle = trained_on(tmp_path, [clip.name for clip in data.clips])
    prepared = prepare(bundle, data, vectors_of(bundle, data), final=False)
    with pytest.raises(ConfigError, match="no clip that may be judged"):
        bundle_rows(bundle, bundle.encoder_entry(), prepared, None, CHOICE)


def test_an_attribution_of_another_kind_is_an_error(tmp_path: Path) -> None:
    write_synthetic_bundle(tmp_path / "bundle")
    replace_file(tmp_path / "bundle", "attribution.csv", b"name;who\n1.wav;me\n")
    with pytest.raises(BundleError, match="no table with a column file"):
        seen_clips(load_bundle(tmp_path / "bundle"), dataset())


def test_a_bundle_made_from_texts_is_judged_on_all_but_its_own_prototypes_on_what_its_pool_lacked(
    tmp_path: Path,
) -> None:
    data = dataset()
    directory = write_text_bundle(tmp_path / "bundle").directory
    lines = "".join(f"{name},,,\n" for name in names_of(data, "1"))
    replace_file(directory, "attribution.csv", ("file,author,licence,source\n" + lines).encode())
    bundle = load_bundle(directory)
    prepared = prepare(bundle, data, vectors_of(bundle, data), final=False)
    own, *others = bundle_rows(bundle, bundle.encoder_entry(), prepared, None, CHOICE)
    assert own.is_own
    assert set(own.judged.folds.tolist()) == {"2", "3", "4", "5"}
    assert all(len(row.judged.places) == len(data.clips) for row in others)
    assert all(row.ahead is None for row in others)


def test_planted_clips_are_all_right_and_rows_are_compared(tmp_path: Path) -> None:
    data = dataset()
    bundle = trained_on(tmp_path, [])
    prepared = prepare(bundle, data, vectors_of(bundle, data), final=False)
    texts = unit(np.random.default_rng(1).standard_normal((3, EMBEDDING_DIM)))
    rows = bundle_rows(bundle, bundle.encoder_entry(), prepared, texts, CHOICE)
    assert [row.method.split(",")[0] for row in rows] == [
        "synthetic tones", "Proto", "zero-shot (text)", "supervised prototypes",
    ]  # fmt: skip
    assert rows[0].figures[0].overall.value == rows[-1].figures[0].overall.value == 1.0
    assert rows[1].ahead is not None
    assert rows[1].ahead.value == pytest.approx(rows[1].figures[0].overall.value - 1.0)


def test_clips_of_several_classes_are_compared_by_their_average_precision() -> None:
    truth = np.array([[1, 1, 0], [0, 1, 1]], bool)
    best, worse = np.array([[3, 2, 1], [1, 2, 3]]), np.array([[3, 1, 2], [1, 2, 3]])
    rows = [
        Row(
            name,
            "",
            Judged(
                np.arange(2), scores.astype(np.float32), truth, np.array(["1", "1"]), np.array(["a", "b"])
            ),
            (),
        )
        for name, scores in (("best", best), ("worse", worse))
    ]
    _, beside = beside_first(rows, multi_label=True)
    # The best class of both clips is right either way; one clip's average precision is (1 + 2/3) / 2.
    assert beside.ahead is not None
    assert beside.ahead.value == pytest.approx(((1 + 2 / 3) / 2 - 1) / 2)


def test_a_data_set_of_which_the_bundle_knows_a_part_is_judged_on_that_part(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle = trained_on(tmp_path, [])
    part = judgeable(bundle, dataset(("violin", "dog", "siren", "rain")))
    assert part.classes == ("dog", "siren")
    assert {clip.classes for clip in part.clips} == {(0,), (1,)}
    assert "judged on 2 of" in caplog.text


def test_a_data_set_of_which_it_knows_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match=r"labels for 0 of .*not for violin, oboe.*--text-encoder"):
        judgeable(trained_on(tmp_path, []), dataset(("violin", "oboe")))


def test_a_clip_of_several_classes_keeps_those_that_are_left() -> None:
    data = dataset(("a", "b", "c"))
    both = replace(data.clips[0], classes=(0, 2))
    left = of_classes(replace(data, clips=(both, *data.clips[1:])), [2])
    assert left.clips[0].classes == (0,)


def test_a_look_is_on_record_before_it_is_taken_and_whatever_comes_of_it(tmp_path: Path) -> None:
    log = tmp_path / "looks.csv"
    before = []

    def fail() -> None:
        with look(log, "esc50", "abcdef" * 10):
            before.append(log.read_text())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert before[0].endswith(",abcdefabcdef,esc50,")
    with look(log, "esc50", "abcdef" * 10) as taken:
        taken.found = "0.8500"
    header, first, second = log.read_text().splitlines()
    assert header == "date,bundle,what,found"
    assert first.endswith(",esc50,")
    assert second.endswith(",esc50,0.8500")


def test_the_report_says_all_that_is_needed_to_make_it_again(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs matplotlib, from the extra `eval`")
    data = dataset()
    bundle = trained_on(tmp_path, names_of(data, "1", "2"))
    prepared = prepare(bundle, data, vectors_of(bundle, data), final=False)
    entry = bundle.encoder_entry()
    rows = bundle_rows(bundle, entry, prepared, None, CHOICE)
    made = made_now(7, bundle.manifest.name, bundle.sha256)
    write_report(accuracy_report(bundle, entry, data, rows, made, tmp_path), tmp_path)
    plain = json.loads((tmp_path / "report.json").read_text())
    assert plain["made"]["seed"] == 7
    assert plain["made"]["bundle_sha256"] == bundle.sha256
    assert {"python", "numpy", "scikit-learn"} <= set(plain["made"]["versions"])
    assert plain["rows"][0]["figures"][0]["overall"]["value"] == 1.0
    assert plain["rows"][0]["n_judged"] == len(names_of(data, "3", "5"))
    text = (tmp_path / "report.md").read_text()
    assert bundle.sha256 in text
    assert "![" in text
    for plot in ("confusion.png", "scores.png"):
        assert (tmp_path / plot).read_bytes().startswith(b"\x89PNG")


def test_the_confusion_matrix_has_a_line_a_class_and_a_character_a_cell(tmp_path: Path) -> None:
    data = dataset()
    bundle = trained_on(tmp_path, [])
    prepared = prepare(bundle, data, vectors_of(bundle, data), final=False)
    row = bundle_rows(bundle, bundle.encoder_entry(), prepared, None, CHOICE)[0]
    lines = confusion_text(row, data).splitlines()
    assert [line.split()[-1] for line in lines[2:]] == ["#..", ".#.", "..#"]
