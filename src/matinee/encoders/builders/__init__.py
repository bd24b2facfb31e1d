"""Encoders as ONNX files, built from published weights."""
