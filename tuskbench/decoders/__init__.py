"""Decoders: sparse keypoints and their descriptors back to an image."""
