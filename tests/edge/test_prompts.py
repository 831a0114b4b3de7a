"""A label's words, put into a sentence for a text encoder."""

from __future__ import annotations

import pytest

from edge.errors import ConfigError
from edge.prompts import DEFAULT_PROMPT, check_prompt, fill


@pytest.mark.parametrize(
    ("template", "label", "sentence"),
    [
        (DEFAULT_PROMPT, "dog bark", "This is a sound of dog bark"),
        (DEFAULT_PROMPT, "Dog_Bark", "This is a sound of dog bark"),
        (DEFAULT_PROMPT, "  dog \t bark__loud ", "This is a sound of dog bark loud"),
        ("{label}", "dog bark", "Dog bark"),
        ("{label} outdoors", "DOG", "Dog outdoors"),
        ("{label}", "élan", "Élan"),
        ("I hear {label}, far off", "straße", "I hear straße, far off"),
    ],
)
def test_words_stand_in_lower_case_and_begin_a_sentence_with_a_capital(
    template: str, label: str, sentence: str
) -> None:
    check_prompt(template)
    assert fill(template, label) == sentence


@pytest.mark.parametrize("template", ["", "a dog", "{label} and {label}", "{Label}", "{label}\nand more"])
def test_a_prompt_that_cannot_be_filled_is_refused_in_one_line(template: str) -> None:
    with pytest.raises(ConfigError, match="prompt") as caught:
        check_prompt(template)
    assert str(caught.value).isprintable()
