"""From torch to the graphs that play: ONNX export, parity, and the backends that run bundles."""
