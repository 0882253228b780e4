"""Evaluation: how a world's play is measured against its game, and variants against each other."""
