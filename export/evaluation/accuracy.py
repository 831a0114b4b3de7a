"""A bundle judged on a data set: its own prototypes, and the methods that its encoder serves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge.bundle import Bundle
from edge.errors import ConfigError, LabelError
from edge.labels import find_label
from edge.manifest import EncoderEntry
from edge.scoring import scores
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.intervals import Interval, source_bootstrap
from export.evaluation.judging import Judged, Prepared, all_clips, judge
from export.evaluation.methods import (
    Material,
    Method,
    Scores,
    Vectors,
    proto,
    supervised_prototypes,
    zero_shot,
)
from export.evaluation.metrics import Figure, accuracy, macro_map, per_clip, per_clip_ap
from export.evaluation.mlp import mlp
from export.evaluation.seen_clips import seen_clips
from export.progress import progress

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Row:
    """One method's line in the table.

    Attributes:
        method: what judged.
        learnt_from: which clips trained what, in words.
        judged: what it made of the clips.
        figures: accuracy; or of a multi-label data set macro mAP and per-clip AP.
        ahead: its accuracy, or per-clip AP if multi-label, less the first row's on the same clips; None
            where these differ.
        is_own: whether it is the bundle's prototypes as they ship.
    """

    method: str
    learnt_from: str
    judged: Judged
    figures: tuple[Figure, ...]
    ahead: Interval | None = None
    is_own: bool = False


@dataclass(frozen=True)
class Choice:
    """What a person may choose.

    Attributes:
        k: neighbours of a text.
        euclidean: have a row of Proto by Euclidean distance too, as the authors' code has it.
        with_mlp: train the MLP too, which needs PyTorch.
        seed: of everything drawn.
    """

    k: int
    euclidean: bool
    with_mlp: bool
    seed: int


def covered_classes(bundle: Bundle, dataset: Dataset) -> Mapping[int, str]:
    """Class → the bundle's label for it, of the classes that it has one for."""
    found = {}
    for index, name in enumerate(dataset.classes):
        label = find_label(name, bundle.manifest.labels)
        if label is not None and label.kind == "label":
            found[index] = label.name
    return found


def of_classes(dataset: Dataset, classes: Sequence[int]) -> Dataset:
    """The part of a data set that is of some classes alone."""
    place = {old: new for new, old in enumerate(classes)}
    clips = tuple(
        replace(clip, classes=tuple(place[index] for index in clip.classes if index in place))
        for clip in dataset.clips
        if any(index in place for index in clip.classes)
    )
    return replace(dataset, classes=tuple(dataset.classes[old] for old in classes), clips=clips)


def judgeable(bundle: Bundle, dataset: Dataset) -> Dataset:
    """What of a data set a bundle can be judged on.

    All of it, if the bundle takes any words or has a label for each class; otherwise the classes that it has
    labels for, with a warning.
    Raises: LabelError if these are fewer than two.
    """
    covered = covered_classes(bundle, dataset)
    if bundle.manifest.text_encoder is not None or len(covered) == len(dataset.classes):
        return dataset
    lacking = [name for index, name in enumerate(dataset.classes) if index not in covered]
    named = ", ".join(lacking[:3]) + (" …" if len(lacking) > 3 else "")
    if len(covered) < 2:
        raise LabelError(
            f"the bundle {bundle.manifest.name} has labels for {len(covered)} of {dataset.title}'s "
            f"{len(dataset.classes)} classes (not for {named}) and no text encoder to make them: export it "
            "with these labels, or with --text-encoder"
        )
    logger.warning(
        "judged on %d of %s's %d classes only: the bundle has no label for %s",
        len(covered), dataset.title, len(dataset.classes), named,
    )  # fmt: skip
    return of_classes(dataset, list(covered))


def own_prototypes(bundle: Bundle, entry: EncoderEntry, dataset: Dataset) -> Method | None:
    """The bundle's prototypes as they ship; None unless it has a label for each class."""
    covered = covered_classes(bundle, dataset)
    if len(covered) < len(dataset.classes):
        return None
    prototypes = bundle.prototypes(entry)
    columns = [prototypes.names.index(covered[index]) for index in range(len(dataset.classes))]

    def method(material: Material) -> Scores:
        return scores(material.judged, prototypes)[:, columns]

    return method


def prepare(bundle: Bundle, dataset: Dataset, vectors: Vectors, *, final: bool) -> Prepared:
    """Set apart what may be judged and what may be learnt from.

    An encoder that was trained on some clips is judged on others, and what stands beside it learns from the
    same. A bundle made from texts saw no labels: everything may be judged.

    final: open the fold that is kept for the end, and judge it alone.
    """
    if bundle.manifest.recipe is not None:
        return all_clips(dataset, vectors)
    seen = seen_clips(bundle, dataset)
    unseen = {clip.name for clip in seen.unseen(dataset.clips, final=final)}
    names = [clip.name for clip in dataset.clips]
    may_teach = [name in seen.names or not seen.names for name in names]
    return Prepared(dataset, vectors, np.array([name in unseen for name in names]), np.array(may_teach))


def bundle_rows(
    bundle: Bundle, entry: EncoderEntry, prepared: Prepared, texts: Vectors | None, choice: Choice
) -> list[Row]:
    """Every method's row, the bundle's own prototypes first if they can be judged.

    Raises: ConfigError if there is nothing to judge, or k is larger than a pool.
    """
    if not prepared.may_judge.any():
        seen, dataset = seen_clips(bundle, prepared.dataset), prepared.dataset
        kept = f", and its fold {seen.kept} is kept for final figures" if seen.kept else ""
        raise ConfigError(
            f"{dataset.title} holds no clip that may be judged: the bundle {bundle.manifest.name} was "
            f"trained on {len(seen.names)} of its {len(dataset.clips)}{kept}; "
            "take other data or another --bundle"
        )
    rows = [*own_rows(bundle, entry, prepared), *method_rows(prepared, texts, choice)]
    return beside_first(rows, multi_label=prepared.dataset.multi_label)


def method_rows(prepared: Prepared, texts: Vectors | None, choice: Choice) -> list[Row]:
    """A row for each of the paper's methods; those that need texts only if there are texts.

    Raises: ConfigError if k is larger than a pool; SoundError without PyTorch, if the MLP is chosen.
    """
    if texts is not None:
        check_k(choice.k, prepared)
    pool = prepared.pool_in_words()
    unlabelled, labelled = f"{pool}, labels unused", f"{pool} and their labels"
    methods: list[tuple[str, str, Method]] = []
    if texts is not None:
        methods.append((f"Proto, k = {choice.k}", unlabelled, proto(choice.k)))
        if choice.euclidean:
            name = f"Proto, k = {choice.k}, Euclidean"
            methods.append((name, unlabelled, proto(choice.k, euclidean=True)))
        methods.append(("zero-shot (text)", "nothing", zero_shot))
    methods.append(("supervised prototypes", labelled, supervised_prototypes))
    if choice.with_mlp:
        methods.append(("supervised MLP", labelled, mlp(choice.seed)))
    return [
        Row(name, source, judged, figures_of(judged, prepared.dataset))
        for name, source, method in progress(methods, desc="judging methods", unit=" methods")
        for judged in [judge(prepared, method, texts)]
    ]


def check_k(k: int, prepared: Prepared) -> None:
    """Raises: ConfigError if a text can't have so many neighbours."""
    n_pool = prepared.smallest_pool()
    if k > n_pool:
        raise ConfigError(
            f"--k {k} is more than the {n_pool} clips of {prepared.dataset.title}'s smallest pool: lower it"
        )


def beside_first(rows: Sequence[Row], *, multi_label: bool) -> list[Row]:
    """The rows, each but the first beside it."""
    return [rows[0], *(compared(row, rows[0], multi_label=multi_label) for row in rows[1:])]


def own_rows(bundle: Bundle, entry: EncoderEntry, prepared: Prepared) -> list[Row]:
    """The row of the bundle's prototypes as they ship; none if it lacks a class, or saw every clip."""
    method = own_prototypes(bundle, entry, prepared.dataset)
    if method is None:
        logger.info("the bundle has no label for some classes: its own prototypes are not judged")
        return []
    seen = seen_clips(bundle, prepared.dataset).names
    unseen = np.array([clip.name not in seen for clip in prepared.dataset.clips])
    own = replace(prepared, may_judge=prepared.may_judge & unseen)
    if not own.may_judge.any():
        logger.info("the bundle's own prototypes were made from these very clips: they are not judged")
        return []
    judged = judge(own, method, None)
    source = f"{len(seen)} clips of this set" if seen else "no clip of this set"
    if bundle.manifest.recipe is not None and seen:
        source += ", labels unused"
    name = f"{bundle.manifest.name}, own prototypes"
    return [Row(name, source, judged, figures_of(judged, own.dataset), is_own=True)]


def figures_of(judged: Judged, dataset: Dataset) -> tuple[Figure, ...]:
    """The figures that a data set is judged by, the foremost first."""
    return (macro_map(judged), per_clip_ap(judged)) if dataset.multi_label else (accuracy(judged),)


def compared(row: Row, first: Row, *, multi_label: bool) -> Row:
    """A row beside the first, clip by clip; as it is where they were judged on different clips."""
    if not np.array_equal(row.judged.places, first.judged.places):
        return row
    own, others = (per_clip(one.judged, multi_label=multi_label) for one in (row, first))
    return replace(row, ahead=source_bootstrap(own - others, row.judged.sources.tolist()))
