"""Clustering regularizers: prototypes, and the losses that tie descriptors to them."""
