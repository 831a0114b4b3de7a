"""The starter's network: a plain residual CNN over log-mel, small enough for any Pi.

No convolution pads in time, so an output frame depends on its receptive field alone and a window's edge is
not mistaken for a sound's edge.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

N_MELS = 64
EMBEDDING_DIM = 512
STRIDE_FRAMES = 16
"""Frames from one output of the convolutions to the next."""
RECEPTIVE_FRAMES = 153
"""Frames that one output depends on."""
N_OUTPUTS = 7
"""Outputs that an embedding is pooled from."""
WINDOW_FRAMES = RECEPTIVE_FRAMES + (N_OUTPUTS - 1) * STRIDE_FRAMES
"""Frames of a window. More, up to half a stride, change nothing: no output reaches them."""


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, without padding in time; the shortcut is cut to match.

    Args:
        n_in: input channels.
        n_out: output channels.
        stride: of the first convolution, in time and frequency.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, stride, padding=(0, 1), bias=False), nn.BatchNorm2d(n_out), nn.ReLU()
        )
        self.second = nn.Sequential(
            nn.Conv2d(n_out, n_out, 3, padding=(0, 1), bias=False), nn.BatchNorm2d(n_out)
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )
        # Frames of the shortcut's output ahead of the first one that both convolutions see.
        self.lead = 1 if stride > 1 else 2

    def forward(self, x: Tensor) -> Tensor:
        """(batch, n_in, frames, bands) → (batch, n_out, fewer frames, bands / stride)."""
        y = self.second(self.first(x))
        shortcut = self.shortcut(x)[:, :, self.lead : self.lead + y.shape[2]]
        return functional.relu(y + shortcut)


class StarterEncoder(nn.Module):
    """Log-mel → embedding of unit norm."""

    def __init__(self) -> None:
        super().__init__()
        # Without weights of its own, no gradient need flow back to the input, which is slow to compute.
        self.input_norm = nn.BatchNorm1d(N_MELS, affine=False)
        self.stem = nn.Sequential(
            nn.Conv2d(1, 32, 5, 2, padding=(0, 2), bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.blocks = nn.Sequential(
            ResidualBlock(32, 48, 2),
            ResidualBlock(48, 96, 2),
            ResidualBlock(96, 192, 2),
            ResidualBlock(192, 256, 1),
        )
        n_bands = N_MELS // 16
        self.dropout = nn.Dropout(0.2)
        self.project = nn.Linear(256 * n_bands * 2, EMBEDDING_DIM)

    def normalised(self, log_mel: Tensor) -> Tensor:
        """(batch, n_frames, 64) → (batch, 1, n_frames, 64), each band with zero mean and unit variance."""
        x: Tensor = self.input_norm(log_mel.transpose(1, 2)).transpose(1, 2).unsqueeze(1)
        return x.contiguous(memory_format=torch.channels_last)

    def pooled(self, maps: Tensor) -> Tensor:
        """(batch, 256, n, 4 bands) → (batch, 512), not normalised."""
        # The bands are kept apart: what is high and what is low tells sounds from one another.
        pooled = torch.cat([maps.mean(2), maps.amax(2)], dim=1).flatten(1)
        projected: Tensor = self.project(self.dropout(pooled))
        return projected

    def features(self, log_mel: Tensor) -> Tensor:
        """(batch, n_frames, 64) → (batch, 512), not normalised."""
        return self.pooled(self.blocks(self.stem(self.normalised(log_mel))))

    def forward(self, log_mel: Tensor) -> Tensor:
        """(batch, n_frames, 64) float32 → (batch, 512) float32 of unit L2 norm."""
        return functional.normalize(self.features(log_mel).float(), dim=1)


class StarterTraining(nn.Module):
    """The encoder with what it is trained through: class directions and the teacher's two targets."""

    def __init__(self, n_classes: int, n_teacher_dims: int, n_teacher_scores: int) -> None:
        super().__init__()
        self.encoder = StarterEncoder()
        self.directions = nn.Parameter(torch.randn(n_classes, EMBEDDING_DIM) * EMBEDDING_DIM**-0.5)
        self.to_embedding = nn.Linear(EMBEDDING_DIM, n_teacher_dims)
        self.to_scores = nn.Linear(EMBEDDING_DIM, n_teacher_scores)

    def forward(self, log_mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines to the class directions; the teacher's embedding and score logits as guessed."""
        features = self.encoder.features(log_mel)
        cosines = (
            functional.normalize(features.float(), dim=1) @ functional.normalize(self.directions, dim=1).T
        )
        hidden = functional.relu(features)
        return cosines, self.to_embedding(hidden).float(), self.to_scores(hidden).float()
