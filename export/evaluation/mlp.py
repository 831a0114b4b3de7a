"""The paper's supervised baseline (§3.3): three fully connected layers on top of the embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.errors import SoundError
from export.evaluation.methods import Material, Method, Scores
from export.progress import progress

LEARNING_RATE = 1e-4
BATCH_SIZE = 128
N_EPOCHS = 30
"""This and the batch are the authors' code's; the paper names the optimiser and its rate."""


def mlp(seed: int) -> Method:
    """Layers of 2·dim, dim and n_classes, ReLU between, Adam; cross-entropy, binary if multi-label.

    Raises, when it is run: SoundError if PyTorch is missing.
    """

    def scores(material: Material) -> Scores:
        try:
            import torch  # noqa: PLC0415 - this baseline alone needs it
        except ImportError:
            raise SoundError('the MLP baseline needs torch: pip install "edge-listen[export]"') from None

        torch.manual_seed(seed)
        dim, n_classes = material.pool.shape[1], material.classes.shape[1]
        network = torch.nn.Sequential(
            torch.nn.Linear(dim, 2 * dim),
            torch.nn.ReLU(),
            torch.nn.Linear(2 * dim, dim),
            torch.nn.ReLU(),
            torch.nn.Linear(dim, n_classes),
        )
        optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)
        loss_of = torch.nn.BCEWithLogitsLoss() if material.multi_label else torch.nn.CrossEntropyLoss()
        pool, targets = torch.from_numpy(material.pool), torch.from_numpy(_targets(material))
        rng = np.random.default_rng(seed)
        for _ in progress(range(N_EPOCHS), desc="training the MLP", unit=" epochs", leave=False):
            order = rng.permutation(len(pool))
            for batch in np.split(order, range(BATCH_SIZE, len(order), BATCH_SIZE)):
                optimiser.zero_grad()
                loss = loss_of(network(pool[batch]), targets[batch])
                loss.backward()
                optimiser.step()
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(material.judged)).numpy(), np.float32)

    return scores


def _targets(material: Material) -> NDArray[np.float32]:
    """Probabilities: each clip's classes alike, or each of them certain if there may be several."""
    classes = material.classes.astype(np.float32)
    return classes if material.multi_label else classes / np.maximum(classes.sum(axis=1, keepdims=True), 1)
