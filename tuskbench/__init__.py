"""Compare unsupervised keypoint and object-discovery methods under one protocol."""

from importlib.metadata import version

__version__ = version("tuskbench")
