"""YAMNet Lite as a teacher: what it makes of an augmented crop, its scores and the layer before them.

The model is Google's (Apache-2.0, https://www.kaggle.com/models/google/yamnet/tfLite), run by
`ai-edge-litert`; its weights are not part of the bundle.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import SoundError
from edge.types import Samples

SAMPLE_RATE_HZ = 16000
FRAME_LENGTH = 15600
N_SCORES = 521
EMBEDDING_DIM = 1024
_EMBEDDING_TENSOR = "tower0/network/layer28/reduce_mean"


class TeacherError(SoundError, RuntimeError):
    """YAMNet cannot be run."""

    exit_code = 8


class Yamnet:
    """The interpreter, one thread.

    Args:
        path: `yamnet.tflite`, the classifier of 15,600 samples to 521 scores.

    Raises: TeacherError if the file or the interpreter is missing, or the file is another model.
    """

    def __init__(self, path: Path) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter  # noqa: PLC0415 - an extra of its own
        except ImportError:
            raise TeacherError('YAMNet needs ai-edge-litert: pip install "edge-listen[teacher]"') from None
        if not path.is_file():
            raise TeacherError(f"{path}: not there; fetch YAMNet Lite (classification) from Kaggle Models")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Says that keeping inner tensors is for debugging.
            try:
                self._interpreter = Interpreter(
                    str(path), num_threads=1, experimental_preserve_all_tensors=True
                )
            except ValueError as error:
                raise TeacherError(
                    f"{path}: no TFLite model; fetch YAMNet Lite from Kaggle Models"
                ) from error
        self._interpreter.allocate_tensors()
        inner = [t for t in self._interpreter.get_tensor_details() if t["name"] == _EMBEDDING_TENSOR]
        if not inner:
            raise TeacherError(f"{path}: not YAMNet Lite: it has no tensor {_EMBEDDING_TENSOR}")
        self._input = self._interpreter.get_input_details()[0]["index"]
        self._output = self._interpreter.get_output_details()[0]["index"]
        self._inner = inner[0]["index"]
        self._scale, self._zero_point = inner[0]["quantization"]

    def frame(self, samples: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Run one frame of 0.975 s.

        samples: (15600,) float32 at 16 kHz.
        Returns: (1024,) embedding ≥ 0 and (521,) scores in [0, 1], float32.
        """
        self._interpreter.set_tensor(self._input, np.ascontiguousarray(samples, np.float32))
        self._interpreter.invoke()
        inner = self._interpreter.get_tensor(self._inner).reshape(-1).astype(np.float32)
        scores = self._interpreter.get_tensor(self._output)[0].astype(np.float32)
        return (inner - self._zero_point) * self._scale, scores

    def clip(self, samples: Samples, hop_length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean embedding and mean scores over the frames of a clip, `hop_length` samples apart."""
        starts = range(0, max(len(samples) - FRAME_LENGTH, 0) + 1, hop_length)
        frames = [self.frame(samples[s : s + FRAME_LENGTH]) for s in starts]
        return np.mean([f[0] for f in frames], axis=0), np.mean([f[1] for f in frames], axis=0)
