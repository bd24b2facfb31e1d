"""Encoders of texts and images to unit vectors, with ONNX Runtime and without PyTorch."""
