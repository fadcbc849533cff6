"""Slot Attention, MONet and IODINE: images as a few slots, as plugins of tuskbench."""
