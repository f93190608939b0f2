"""The robot side: from readings to actions with NumPy and an ONNX runtime. No PyTorch, no Isaac Lab."""
