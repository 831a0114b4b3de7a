"""What the paper and others published, to stand beside what is measured here."""

from __future__ import annotations

from dataclasses import dataclass

PAPER = (
    'Kushwaha & Fuentes, "A multimodal prototypical approach for unsupervised sound classification", '
    "Interspeech 2023"
)


@dataclass(frozen=True)
class Published:
    """A line of published figures; accuracy on ESC-50 and UrbanSound8K, mAP on FSD50K.

    Attributes:
        method: as it is called there.
        figures: data set's short name → figure.
    """

    method: str
    figures: dict[str, float]


TABLE_1 = (
    Published("Proto-LC (the paper's, k = 35)", {"esc50": 0.96, "urbansound8k": 0.73, "fsd50k": 0.52}),
    Published("LAION-CLAP zero-shot, in the paper", {"esc50": 0.91, "urbansound8k": 0.72, "fsd50k": 0.22}),
    Published("MS-CLAP 2023 zero-shot", {"esc50": 0.939, "urbansound8k": 0.823}),
    Published("WavCaps zero-shot", {"esc50": 0.948, "urbansound8k": 0.814}),
    Published("tinyCLAP zero-shot", {"esc50": 0.763, "urbansound8k": 0.694}),
    Published("people (Piczak, 2015)", {"esc50": 0.813}),
)
"""The paper's mAP on FSD50K is its code's: average precision a clip, over classes."""
