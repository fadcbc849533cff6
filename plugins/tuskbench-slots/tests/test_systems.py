"""The three systems keep the contract."""

from __future__ import annotations

from typing import Any, ClassVar

from tuskbench.testing import SystemConformance

SLOT_ATTENTION: dict[str, Any] = {
    "width": 8,
    "slot_size": 8,
    "hidden": 8,
    "encoder_downsamplings": 2,
    "decoder_layers": 2,
    "decoder_upsamplings": 2,
}
MONET: dict[str, Any] = {
    "latents": 4,
    "attention_width": 4,
    "attention_hidden": 8,
    "width": 4,
    "hidden": 8,
    "decoder_width": 4,
}
IODINE: dict[str, Any] = {
    "latents": 4,
    "iterations": 2,
    "width": 4,
    "decoder_layers": 2,
    "decoder_upsamplings": 2,
    "refinement_layers": 3,
    "hidden": 8,
}


class TestSlotAttention(SystemConformance):
    name = "slot-attention"
    settings: ClassVar[dict[str, Any]] = SLOT_ATTENTION


class TestMonet(SystemConformance):
    name = "monet"
    settings: ClassVar[dict[str, Any]] = MONET


class TestIodine(SystemConformance):
    name = "iodine"
    settings: ClassVar[dict[str, Any]] = IODINE
