"""The paper's whole experiment over the data sets that are there."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edge.errors import ConfigError
from edge.prototypes import LEAST_RECORDINGS
from export.evaluation.ablations import PromptFigures, chosen_prompt, k_curve, k_values, prompt_figures
from export.evaluation.accuracy import Choice, Row, beside_first, check_k, method_rows
from export.evaluation.beyond import Candidate, Refusal, VariantRow, refusal, variant_rows
from export.evaluation.datasets.dataset import Dataset
from export.evaluation.inputs import Inputs
from export.evaluation.judging import Prepared, all_clips
from export.evaluation.texts import ALL_PROMPTS, DEFAULT, Prompt, Sentences

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curve:
    """Proto's figure against k.

    Attributes:
        ks: ascending, 1 to the smallest pool's clips.
        figures: one for each.
    """

    ks: tuple[int, ...]
    figures: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class OnDataset:
    """What was found on one data set.

    Attributes:
        dataset: the data set.
        n_pool: clips of the smallest pool.
        rows: the methods of Table 1.
        prompts: Table 2.
        chosen: the prompt that the other data sets choose for this one, or None.
        curve: Figure 3.
        variants: beyond the paper.
        refusal: what refusing unreliable labels would do.
    """

    dataset: Dataset
    n_pool: int
    rows: Sequence[Row]
    prompts: Sequence[PromptFigures]
    chosen: Prompt | None
    curve: Curve
    variants: Sequence[VariantRow]
    refusal: Refusal


def run_paper(datasets: Sequence[Dataset], inputs: Inputs, choice: Choice) -> list[OnDataset]:
    """Embed all, then judge all.

    Raises: ConfigError if there are no texts, or k is larger than a pool; what embedding raises.
    """
    for dataset in datasets:  # before any is embedded, which takes long
        _check_pool(all_clips(dataset, np.empty((len(dataset.clips), 0), np.float32)), choice.k)
        if not inputs.may_have_texts(dataset):
            raise _no_texts(dataset, dataset.classes)
    prepared: dict[str, Prepared] = {}
    texts: dict[str, Sentences] = {}
    for dataset in datasets:
        wanted = [prompt.sentence(name) for prompt in ALL_PROMPTS for name in dataset.classes]
        clips, sentences = inputs.embed(dataset, wanted)
        prepared[dataset.name] = all_clips(dataset, clips.vectors)
        texts[dataset.name] = sentences
        lacking = [name for name in dataset.classes if DEFAULT.sentence(name) not in sentences]
        if lacking:
            raise _no_texts(dataset, lacking)
    candidates = {name: Candidate.of(part, texts[name]) for name, part in prepared.items()}
    prompts = {}
    for name, part in prepared.items():
        logger.info("%s: prompts", part.dataset.title)
        prompts[name] = prompt_figures(part, texts[name], choice.k)
    logger.info("variants")
    beyond = variant_rows(candidates, choice.k, choice.seed)
    found = []
    for name, candidate in candidates.items():
        logger.info("%s: methods, k from 1 to the pool's size", candidate.prepared.dataset.title)
        found.append(
            OnDataset(
                dataset=candidate.prepared.dataset,
                n_pool=candidate.prepared.smallest_pool(),
                rows=_rows(candidate, choice),
                prompts=prompts[name],
                chosen=chosen_prompt(prompts, name),
                curve=_curve(candidate),
                variants=beyond[name],
                refusal=refusal(candidate, choice.k),
            )
        )
    return found


def _no_texts(dataset: Dataset, lacking: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"there is no text for {len(lacking)} of {dataset.title}'s classes, such as "
        f'"{DEFAULT.sentence(lacking[0])}": give a --bundle with a text encoder (edge-export clap '
        "--text-encoder), or --embeddings that hold these sentences"
    )


def _check_pool(prepared: Prepared, k: int) -> None:
    check_k(k, prepared)
    if prepared.smallest_pool() < LEAST_RECORDINGS:
        raise ConfigError(
            f"{prepared.dataset.title}'s smallest pool has {prepared.smallest_pool()} clips: the variants "
            f"need {LEAST_RECORDINGS} at least; judge it with edge-eval folder"
        )


def _rows(candidate: Candidate, choice: Choice) -> list[Row]:
    rows = method_rows(candidate.prepared, candidate.texts, choice)
    return beside_first(rows, multi_label=candidate.multi_label)


def _curve(candidate: Candidate) -> Curve:
    ks = k_values(candidate.prepared.smallest_pool())
    return Curve(tuple(ks), tuple(k_curve(candidate.prepared, candidate.texts, ks).tolist()))
