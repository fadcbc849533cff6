"""`tuskbench predict`: keypoints on the user's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tuskbench.cli.options import tell
from tuskbench.report.escape import terminal

if TYPE_CHECKING:
    from tuskbench.errors import TuskbenchError

SOME_FAILED = 1


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
@click.pass_context
def predict_command(
    context: click.Context,
    checkpoint: Path,
    images: tuple[Path, ...],
    keypoints: int | None,
    out: Path,
    device: str,
) -> None:
    """Draw the keypoints that CHECKPOINT finds in IMAGES, and write them as JSON.

    CHECKPOINT is the file checkpoint.safetensors of a finished cell, or its folder. A picture
    that cannot be read is named, and the others go on.
    """
    from tuskbench.predict import Predictor, predict_files

    refused: list[TuskbenchError] = []
    file = checkpoint / "checkpoint.safetensors" if checkpoint.is_dir() else checkpoint
    predictor = Predictor(file, keypoints, device)
    drawn = predict_files(predictor, list(images), out, refused.append)
    for path in drawn:
        click.echo(terminal(str(path)))
    for error in refused:
        tell(str(error))
    if refused:
        context.exit(SOME_FAILED if drawn else refused[0].exit_code)
