"""Scenes, their schema and loader, and the games that worlds are trained on."""
