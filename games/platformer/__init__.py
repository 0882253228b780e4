"""A side-view platformer: levels, integer physics, drawing, and a play-like policy."""
