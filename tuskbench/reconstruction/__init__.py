"""Reconstruction losses: how far a decoded image is from its target."""
