"""Lets `import timm` succeed beside a CPU-only torch.

The torchvision wheel of the package index is built for CUDA. Beside a CPU-only torch its
compiled operators do not load, and importing torchvision fails while it registers fake kernels
for them. timm needs none of these operators; with their schemas declared, it imports.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
from functools import cache

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


def compiled_operators_load() -> bool:
    """Say whether torchvision's compiled operators can be used with the installed torch."""
    spec = importlib.util.find_spec("torchvision")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        found = importlib.machinery.FileFinder(
            folder,
            (importlib.machinery.ExtensionFileLoader, importlib.machinery.EXTENSION_SUFFIXES),
        ).find_spec("_C")
        if found is None or found.origin is None:
            return False
        try:
            torch.ops.load_library(found.origin)
        except OSError:
            return False
    return True


@cache
def declare_missing_operators() -> torch.library.Library | None:
    """Declare the schemas of torchvision's operators if, and only if, they are missing.

    Call before importing timm. The returned library keeps the declarations alive.
    """
    if compiled_operators_load():
        return None
    library = torch.library.Library("torchvision", "DEF")
    for schema in SCHEMAS.values():
        library.define(schema)
    return library
