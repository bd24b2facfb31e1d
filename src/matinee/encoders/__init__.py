"""Texts and images as unit vectors, by ONNX Runtime: no torch, one thread a session, one preprocessing for all."""
