"""Descriptors from pairs of views of single objects, as a plugin of tuskbench."""
