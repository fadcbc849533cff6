"""Speed of the generators: images a second, of CLEVR scenes by shading.

Images have the sizes of TUSK's input: 112 x 112 for CLEVR scenes (the crop of 192 x 192) and
people, 80 x 80 for faces. On the CPU, processor time of one thread counts, so that a busy machine
does not change the figure.

    python benchmarks/generators.py [--images 64] [--repeats 3] [--device cpu]
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from tabulate import tabulate

from tuskbench.data.generators import clevr, faces, people
from tuskbench.data.generators.clevr.renderer import draw_scenes

COUNT_RANGE = (3, 6)
SIZE, CROP = (112, 112), (24, 64, 192, 192)
FACE_SIDE, FACE_SHARE = 80, (0.3, 0.6)


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

    device = torch.device(options.device)

    def draw(repeat: int) -> object:
        return draw_scenes(COUNT_RANGE, 0, "benchmark", index(repeat), device)

    def render(shading: clevr.Shading, repeat: int) -> object:
        return clevr.render(
            COUNT_RANGE,
            0,
            "benchmark",
            index(repeat),
            size=SIZE,
            view=CROP,
            shading=shading,
            device=device,
        )

    def draw_faces(count: int, repeat: int) -> object:
        chosen = index(repeat)
        return faces.generate(FACE_SIDE, count, FACE_SHARE, 0, "benchmark", chosen, device)

    def draw_people(repeat: int) -> object:
        return people.generate(people.Scene(SIZE[0]), 0, "benchmark", index(repeat), device)

    makers: dict[str, Callable[[int], object]] = {"CLEVR, scenes without pixels": draw}
    for shading in ("flat", "lambert", "full"):
        makers[f"CLEVR, {shading} shading"] = partial(render, shading)
    for count in (1, 4):
        makers[f"faces, {count} an image"] = partial(draw_faces, count)
    makers["people"] = draw_people
    rows = [
        (name, images_a_second(make, options.images, options.repeats, options.device))
        for name, make in makers.items()
    ]
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}")
    print(f"{options.device}, {'one thread, ' * (options.device == 'cpu')}{options.images} images")
    print(tabulate(rows, headers=["generator", "images/s"], floatfmt=".1f", tablefmt="github"))


if __name__ == "__main__":
    main()
