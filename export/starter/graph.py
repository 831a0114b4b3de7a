"""The trained starter encoder as two ONNX graphs, so that overlapping windows cost a hop each.

The trunk takes the frames that a hop adds, and of what came before only each convolution's last few inputs,
its state. The head pools the trunk's last outputs into an embedding. Exact: no convolution pads in time.

Weights are stored in half precision. ONNX Runtime widens them once, at load: the files are half as large and
the arithmetic stays single.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

from export.starter.model import N_MELS, N_OUTPUTS, STRIDE_FRAMES, ResidualBlock, StarterEncoder

OPSET = 17


class Trunk(nn.Module):
    """Normalisation, stem and blocks, from state to state."""

    def __init__(self, encoder: StarterEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the states, (1, channels, frames, bands) each."""
        shapes: list[tuple[int, ...]] = [(1, 1, 3, N_MELS)]
        bands = N_MELS // 2
        for block in self._blocks():
            n_in, n_out, stride = _dims(block)
            shapes.append((1, n_in, 3 - stride, bands))
            bands //= stride
            shapes.append((1, n_out, 2, bands))
            if block.lead < 2:
                shapes.append((1, n_out, 2 - block.lead, bands))
        return shapes

    def _blocks(self) -> list[ResidualBlock]:
        return [block for block in self.encoder.blocks if isinstance(block, ResidualBlock)]

    def forward(self, log_mel: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        """Take new frames in.

        log_mel: (1, n, 64) float32, n a multiple of STRIDE_FRAMES. states: as `state_shapes`; zeros at first.
        Returns: maps (1, 256, n / STRIDE_FRAMES, 4) float32, and the next states.
        """
        before, after = list(states), []
        x = torch.cat([before.pop(0), self.encoder.normalised(log_mel)], dim=2)
        after.append(x[:, :, -3:])
        x = self.encoder.stem(x)
        for block in self._blocks():
            x = torch.cat([before.pop(0), x], dim=2)
            stride = _dims(block)[2]
            after.append(x[:, :, stride - 3 :])
            shortcut = block.shortcut(x)[:, :, : -1 if stride == 2 else -2]
            y = torch.cat([before.pop(0), block.first(x)], dim=2)
            after.append(y[:, :, -2:])
            if block.lead < 2:
                late = 2 - block.lead
                shortcut = torch.cat([before.pop(0), shortcut], dim=2)
                after.append(shortcut[:, :, -late:])
                shortcut = shortcut[:, :, :-late]
            x = functional.relu(block.second(y) + shortcut)
        return (x, *after)


class Head(nn.Module):
    """Pooling and projection."""

    def __init__(self, encoder: StarterEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, maps: Tensor) -> Tensor:
        """(1, 256, N_OUTPUTS, 4) → (1, 512) of unit L2 norm."""
        projected = self.encoder.pooled(maps)
        # functional.normalize exports a node that ONNX Runtime leaves to the CPU where all else is on a GPU.
        return projected * torch.rsqrt(projected.square().sum(1, keepdim=True) + 1e-12)


def _dims(block: ResidualBlock) -> tuple[int, int, int]:
    convolution = block.first[0]
    if not isinstance(convolution, nn.Conv2d):
        raise TypeError("a residual block begins with a convolution")
    return convolution.in_channels, convolution.out_channels, convolution.stride[0]


def export_graphs(encoder: StarterEncoder) -> tuple[bytes, bytes]:
    """Serialise the encoder.

    Returns: the trunk, `log_mel` (1, n, 64) and `state_0`… → `maps` (1, 256, n / 16, 4) and `next_state_0`…;
        and the head, `maps` (1, 256, 7, 4) → `embedding` (1, 512) of unit norm; all float32.
    """
    trunk = Trunk(encoder.eval()).eval()
    states = tuple(torch.zeros(shape) for shape in trunk.state_shapes())
    names = [f"state_{index}" for index in range(len(states))]
    trunk_graph = _export(
        trunk,
        (torch.zeros(1, 3 * STRIDE_FRAMES, N_MELS), *states),
        ["log_mel", *names],
        ["maps", *(f"next_{name}" for name in names)],
        {"log_mel": {1: "n_frames"}, "maps": {2: "n_outputs"}},
    )
    head = _export(Head(encoder).eval(), (torch.zeros(1, 256, N_OUTPUTS, 4),), ["maps"], ["embedding"], {})
    return trunk_graph, head


def _export(
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    inputs: list[str],
    outputs: list[str],
    dynamic_axes: dict[str, dict[int, str]],
) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Deprecated, but the exporter that is proved on this network.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            module,
            arguments,
            buffer,  # type: ignore[arg-type]  # The legacy exporter takes a file object.
            input_names=inputs,
            output_names=outputs,
            dynamic_axes=dynamic_axes,
            opset_version=OPSET,
            dynamo=False,
        )
    model = halve_weights(onnx.load_from_string(buffer.getvalue()))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def halve_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store large float32 weights as float16, each behind a Cast back to float32."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        weights = numpy_helper.to_array(tensor)
        if weights.dtype != np.float32 or weights.size < 1024:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(weights.astype(np.float16), name + "_half"))
        casts.append(helper.make_node("Cast", [name + "_half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return model
