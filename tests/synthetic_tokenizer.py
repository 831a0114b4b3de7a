"""A small tokenizer in the format and with the special ids of RoBERTa's, whose own file is not in here."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

SENTENCES = (
    "This is a sound of dog bark",
    "I can hear rain and thunder, a siren, and a kettle's whistle",
    "This is an audio of 12 people who are clapping; it's 3 o'clock",
    "music, speech, silence, a door creaking, wind and traffic",
)
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")


def write_tokenizer(path: Path, n_vocabulary: int | None = None) -> Path:
    """Write a tokenizer.json, learnt from a few sentences.

    n_vocabulary: fill the vocabulary up to this many entries, with words that no text yields; 50265 is
        RoBERTa's. The mask token is the last.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=500,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    plain = json.loads(tokenizer.to_str())
    vocabulary = plain["model"]["vocab"]
    for index in range(len(vocabulary), (n_vocabulary or 0) - 1):
        vocabulary[f"madeupword{index}"] = index
    mask_id = vocabulary["<mask>"] = len(vocabulary)
    plain["added_tokens"].append(
        plain["added_tokens"][0] | {"id": mask_id, "content": "<mask>", "lstrip": True}
    )
    path.write_text(json.dumps(plain), "utf-8")
    return path
