"""From a checkpoint to one ONNX file with its contract inside."""
