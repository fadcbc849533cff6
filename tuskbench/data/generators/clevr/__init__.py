"""CLEVR-like scenes: solids on a grey ground, rendered with full ground truth.

The scene distribution, camera and lamps are those of the CLEVR generator (Johnson et al. 2017),
which the CLEVR-with-masks data set of DeepMind and its subset CLEVR6 use; shading is an analytic
stand-in whose constants were tuned to official images.
"""

from tuskbench.data.generators.clevr.camera import View
from tuskbench.data.generators.clevr.renderer import ClevrScenes, Shading, render
from tuskbench.data.generators.clevr.scenes import COLOURS, MATERIALS, SHAPES, SIZES

__all__ = [
    "COLOURS",
    "MATERIALS",
    "SHAPES",
    "SIZES",
    "ClevrScenes",
    "Shading",
    "View",
    "render",
]
