"""Encoders: images to feature maps of the same size."""
