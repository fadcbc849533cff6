"""Fabric as cells get it."""

from __future__ import annotations

import torch

from tuskbench.cell import Training
from tuskbench.run.device import make_fabric


def test_a_weight_that_changes_within_a_step_is_seen_in_16_bits() -> None:
    layer, ones = torch.nn.Linear(3, 1, bias=False), torch.ones(1, 3)
    fabric = make_fabric("cpu", Training(precision="bf16-mixed"))
    with fabric.autocast():
        before = layer(ones)
        with torch.no_grad():
            layer.weight.fill_(2)
        after = layer(ones)
        with torch.no_grad():
            layer(ones)
        layer(ones).sum().backward()
    assert before.dtype == torch.bfloat16
    assert after.item() == 6
    torch.testing.assert_close(layer.weight.grad, torch.ones(1, 3))
