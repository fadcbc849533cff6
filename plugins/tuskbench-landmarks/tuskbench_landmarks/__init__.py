"""Unsupervised landmark detection with one map a landmark, as plugins of tuskbench."""
