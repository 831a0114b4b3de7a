"""The sizes that tell one LAION-CLAP model from another, and those that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

MEL_BINS = 64
"""Mel bands of the log-mel."""
SPEC_SIZE = 256
"""Height and width of the image that the log-mel is folded into."""
PATCH_SIZE = 4
"""Height and width of a patch of that image."""
WINDOW_SIZE = 8
"""Height and width, in patches, of a window of attention."""
N_CLASSES = 527
"""AudioSet's classes, for which the audio branch keeps a head that embedding doesn't use."""
EMBEDDING_DIM = 512

TEXT_VOCABULARY = 50265
TEXT_WIDTH = 768
TEXT_LAYERS = 12
TEXT_HEADS = 12
TEXT_FEED_FORWARD = 3072
TEXT_POSITIONS = 514
"""Rows of the position table: 512 tokens, and two rows that RoBERTa's numbering leaves out."""

AUDIO_LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True)
class Architecture:
    """What differs between the models: the size of the audio branch, and fusion.

    Attributes:
        patch_dim: width of a patch's embedding: 96 in HTSAT-tiny, 128 in HTSAT-base. Each stage doubles it.
        depths: blocks of each of the four stages.
        n_heads: attention heads of each stage.
        fusion: trained on long audio as a whole and three chunks of it, with a front end of its own.
        text_layer_norm_eps: what the text branch's layer norms add to the variance.
    """

    patch_dim: int
    depths: tuple[int, ...]
    n_heads: tuple[int, ...]
    fusion: bool
    text_layer_norm_eps: float = 1e-5

    @property
    def name(self) -> str:
        """What LAION calls the audio branch."""
        return {96: "HTSAT-tiny", 128: "HTSAT-base"}[self.patch_dim]

    @property
    def n_features(self) -> int:
        """Width of the audio branch's last stage, which the projection takes."""
        return self.patch_dim << (len(self.depths) - 1)

    def stage_dim(self, stage: int) -> int:
        """Width of a stage, counted from 0."""
        return self.patch_dim << stage

    def stage_side(self, stage: int) -> int:
        """Height and width of a stage's image, in patches."""
        return SPEC_SIZE // PATCH_SIZE >> stage


TINY = Architecture(patch_dim=96, depths=(2, 2, 6, 2), n_heads=(4, 8, 16, 32), fusion=False)
BASE = Architecture(patch_dim=128, depths=(2, 2, 12, 2), n_heads=(4, 8, 16, 32), fusion=False)
"""`dataclasses.replace(TINY, fusion=True)` is the one with fusion."""
