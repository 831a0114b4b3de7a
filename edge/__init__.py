"""The device side: sound in, labelled events out. Needs numpy and ONNX Runtime, never torch."""
