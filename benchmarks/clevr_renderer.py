"""Speed of the CLEVR-like renderer: images a second of every shading, and of drawing scenes.

Images are TUSK's input, the crop of 192 x 192 at 112 x 112. On the CPU, processor time of one
thread counts, so that a busy machine does not change the figure.

    python benchmarks/clevr_renderer.py [--images 64] [--repeats 3] [--device cpu]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import torch
from tabulate import tabulate

from tuskbench.data.generators.clevr import render
from tuskbench.data.generators.clevr.renderer import draw_scenes

COUNT_RANGE = (3, 6)
SIZE, CROP = (112, 112), (24, 64, 192, 192)


def images_a_second(make: Callable[[int], object], images: int, repeats: int, device: str) -> float:
    """Return images a second of the best of `repeats` calls after a first one.

    Args:
        make: makes `images` images, different ones for each number it is called with.
        images: how many.
        repeats: calls that count.
        device: where it works.
    """
    on_cpu = torch.device(device).type == "cpu"
    clock = time.process_time if on_cpu else time.perf_counter
    best = float("inf")
    for repeat in range(repeats + 1):
        started = clock()
        make(repeat)
        if not on_cpu:
            torch.cuda.synchronize()
        if repeat:
            best = min(best, clock() - started)
    return images / best


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)

    def index(repeat: int) -> np.ndarray:
        return np.arange(options.images) + repeat * options.images

    def draw(repeat: int) -> object:
        return draw_scenes(COUNT_RANGE, 0, "benchmark", index(repeat), options.device)

    makers: dict[str, Callable[[int], object]] = {"scenes alone": draw}
    for shading in ("flat", "lambert", "full"):
        makers[shading] = lambda repeat, shading=shading: render(
            COUNT_RANGE,
            0,
            "benchmark",
            index(repeat),
            size=SIZE,
            view=CROP,
            shading=shading,
            device=options.device,
        )
    rows = [
        (name, images_a_second(make, options.images, options.repeats, options.device))
        for name, make in makers.items()
    ]
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}")
    print(f"{options.device}, {'one thread, ' * (options.device == 'cpu')}{options.images} images")
    print(tabulate(rows, headers=["shading", "images/s"], floatfmt=".1f", tablefmt="github"))


if __name__ == "__main__":
    main()
