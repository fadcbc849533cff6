"""Whole systems: what is trained and evaluated."""
