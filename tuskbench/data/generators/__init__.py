"""Data of the official kinds, generated with full ground truth."""
