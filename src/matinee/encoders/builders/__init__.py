"""Builders of ONNX encoders from published weights."""
