"""Slots that compete for an image's features (Locatello et al. 2020, algorithm 1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from tuskbench_slots.initialisation import KERAS_EPSILON

# Keeps the weights of a slot that gets no feature finite.
EPSILON = 1e-8


class SlotAttention(nn.Module):
    """Slots drawn from one learned normal distribution, refined by attention and a GRU.

    Args:
        channels: of the features.
        slot: channels of a slot.
        hidden: channels of the residual perceptron's hidden layer.
        iterations: rounds of attention.
    """

    def __init__(self, channels: int, slot: int, hidden: int, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations
        # Glorot's limit for a [1, slot] matrix, as in the official code.
        limit = math.sqrt(6 / (1 + slot))
        self.mean = nn.Parameter(torch.empty(slot).uniform_(-limit, limit))
        self.log_scale = nn.Parameter(torch.empty(slot).uniform_(-limit, limit))
        self.norm_features = nn.LayerNorm(channels, KERAS_EPSILON)
        self.norm_slots = nn.LayerNorm(slot, KERAS_EPSILON)
        self.query = nn.Linear(slot, slot, bias=False)
        self.key = nn.Linear(channels, slot, bias=False)
        self.value = nn.Linear(channels, slot, bias=False)
        self.update = nn.GRUCell(slot, slot)
        self.refine = nn.Sequential(
            nn.LayerNorm(slot, KERAS_EPSILON),
            nn.Linear(slot, hidden),
            nn.ReLU(),
            nn.Linear(hidden, slot),
        )

    def forward(self, features: Tensor, noise: Tensor) -> Tensor:
        """Return slots [B, K, S] of features [B, N, C], begun from noise [B, K, S]."""
        features = self.norm_features(features)
        keys, values = self.key(features), self.value(features)
        slots = self.mean + self.log_scale.exp() * noise
        for _ in range(self.iterations):
            slots = self._round(slots, keys, values)
        return slots

    def _round(self, slots: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        queries = self.query(self.norm_slots(slots)) * slots.shape[-1] ** -0.5
        logits = (queries @ keys.transpose(1, 2)).float()
        # Features are shared out among slots; then each slot takes a mean of its share.
        weights = logits.softmax(1) + EPSILON
        weights = weights / weights.sum(2, keepdim=True)
        updates = (weights @ values).float()
        moved = self.update(updates.flatten(0, 1), slots.float().flatten(0, 1))
        slots = moved.float().view_as(slots)
        refined: Tensor = slots + self.refine(slots)
        return refined
