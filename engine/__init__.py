"""The real-time engine: a loop that asks a world for one frame per tick and shows it.

It knows clocks, keys, windows and files; it knows nothing about networks, and never imports torch.
"""
