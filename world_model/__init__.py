"""World models: codec, rolling diffusion transformer, training, and the torch-free runtime."""
