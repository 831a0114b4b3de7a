"""Measurement of a bundle as it ships: the ONNX encoder and the streaming pipeline, not the training code."""
