"""`tuskbench predict`: keypoints on the user's own pictures."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("predict")
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.argument("images", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--keypoints", type=click.IntRange(min=1), help="How many to detect.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("tuskbench-predictions"),
    show_default=True,
    help="Folder of the drawn pictures and the JSON files.",
)
@click.option("--device", default="cpu", show_default=True, help="auto, cpu, cuda or cuda:N.")
def predict_command(
    checkpoint: Path, images: tuple[Path, ...], keypoints: int | None, out: Path, device: str
) -> None:
    """Draw the keypoints that CHECKPOINT finds in IMAGES, and write them as JSON.

    CHECKPOINT is the file checkpoint.safetensors of a finished cell, or its folder.
    """
    from tuskbench.predict import Predictor, predict_files

    file = checkpoint / "checkpoint.safetensors" if checkpoint.is_dir() else checkpoint
    for drawn in predict_files(Predictor(file, keypoints, device), list(images), out):
        click.echo(drawn)
