"""A torch module as an ONNX model that runs at any size of its open dimension."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping

import onnx
import torch
from torch import Tensor, nn

OPSET = 17
"""Of the ONNX operators: the first with LayerNormalization; ONNX Runtime 1.17 and TensorRT 8.6 know it."""


def to_onnx(
    module: nn.Module, inputs: Mapping[str, Tensor], output: str, open_dims: Mapping[str, int]
) -> onnx.ModelProto:
    """Export a module with one output.

    The tracing exporter is used: where a module's sizes are constants it leaves no Shape operators, which
    CUDA would send to the CPU.

    Args:
        module: in evaluation mode.
        inputs: name → example.
        output: the output's name.
        open_dims: name of an input or of the output → its dimension that stays open.
    """
    buffer = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the tracing exporter itself
        torch.onnx.export(
            module,
            tuple(inputs.values()),
            buffer,  # type: ignore[arg-type]  # its stub leaves out what the tracing exporter takes
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes={name: {dim: f"{name}_{dim}"} for name, dim in open_dims.items()},
            opset_version=OPSET,
            dynamo=False,
        )
    model = onnx.load_model_from_string(buffer.getvalue())
    onnx.checker.check_model(model)
    return model
