"""World models: the codec and rolling diffusion transformer, their training, and the torch-free runtime."""
