"""Prompts and k: what is chosen never saw what is judged."""

from __future__ import annotations

import pytest

for needed in ("sklearn", "scipy", "tqdm"):
    pytest.importorskip(needed, reason=f"needs {needed}, from the extra `eval`")

from planted_embeddings import directions, planted, planted_texts, small_dataset  # noqa: E402

from export.evaluation.ablations import (  # noqa: E402
    PromptFigures,
    chosen_prompt,
    k_curve,
    k_values,
    prompt_figures,
)
from export.evaluation.judging import all_clips, judge  # noqa: E402
from export.evaluation.methods import proto  # noqa: E402
from export.evaluation.metrics import point  # noqa: E402
from export.evaluation.texts import ALL_PROMPTS, DEFAULT, TABLE_2  # noqa: E402


def test_the_five_prompts_are_the_papers_and_only_the_bare_label_begins_with_a_capital_of_its_own() -> None:
    assert [prompt.sentence("Dog_bark") for prompt in TABLE_2] == [
        "Dog bark",
        "I can hear dog bark",
        "This is an audio of dog bark",
        "This is dog bark",
        "This is a sound of dog bark",
    ]
    assert [prompt.sentence("Dog_bark")[:1] for prompt in ALL_PROMPTS[5:]] == ["d", "i", "t", "t", "t"]


@pytest.mark.parametrize("k", [1, 4, 20, 60])
def test_the_curve_is_what_each_k_gives_alone(k: int) -> None:
    dataset = small_dataset(4, 3, 10)
    prepared, texts = all_clips(dataset, planted(dataset, noise=2.0)), planted_texts(4, 1.5)
    ks = [1, 4, 20, 60]
    curve = k_curve(prepared, texts, ks)
    assert curve[ks.index(k)] == pytest.approx(point(judge(prepared, proto(k), texts), multi_label=False))


def test_with_the_whole_pool_all_labels_are_one_and_accuracy_is_chance() -> None:
    dataset = small_dataset(4, 3, 10)
    prepared, texts = all_clips(dataset, planted(dataset)), planted_texts(4)
    of_class, of_pool = k_curve(prepared, texts, [20, 80])
    assert of_class == 1.0
    # Prototypes that differ by rounding alone: which is the nearest, rounding tells.
    assert of_pool == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("n_pool", [1, 20, 1600, 36796])
def test_k_goes_from_one_to_the_pools_size_by_way_of_the_papers(n_pool: int) -> None:
    ks = k_values(n_pool)
    assert (ks[0], ks[-1]) == (1, n_pool)
    assert ks == sorted(set(ks))
    assert min(35, n_pool) in ks


def test_a_prompt_is_told_by_how_right_its_texts_are() -> None:
    dataset = small_dataset(4, 3, 10)
    axes = directions(8)
    sentences = {}
    for index, name in enumerate(dataset.classes):
        sentences[DEFAULT.sentence(name)] = axes[index]
        sentences[TABLE_2[0].sentence(name)] = axes[(index + 1) % 4]  # means the next class
    figures = {f.prompt: f for f in prompt_figures(all_clips(dataset, planted(dataset)), sentences, 20)}
    assert set(figures) == {DEFAULT, TABLE_2[0]}
    assert (figures[DEFAULT].proto, figures[DEFAULT].zero_shot) == (1.0, 1.0)
    assert (figures[TABLE_2[0]].proto, figures[TABLE_2[0]].zero_shot) == (0.0, 0.0)


def test_the_prompt_for_a_data_set_is_chosen_on_the_others() -> None:
    def figures(best: int) -> list[PromptFigures]:
        return [PromptFigures(p, 0.9 if n == best else 0.5, 0.5) for n, p in enumerate(TABLE_2)]

    of_sets = {"one": figures(0), "two": figures(3)}
    assert chosen_prompt(of_sets, "one") == TABLE_2[3]
    assert chosen_prompt(of_sets, "two") == TABLE_2[0]
    assert chosen_prompt({"one": figures(0)}, "one") is None
