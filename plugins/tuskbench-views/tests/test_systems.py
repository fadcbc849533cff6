"""The system keeps its contract, takes its stages in turn, and runs from the shipped spec."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from click.testing import CliRunner

from tuskbench import registry
from tuskbench.cli import main
from tuskbench.contracts import Batch
from tuskbench.errors import ConfigurationError
from tuskbench.registry.rules import rules
from tuskbench.spec.load import load
from tuskbench.testing import SystemConformance, toy_batch, toy_task

SPEC = Path(__file__).parents[3] / "specs" / "views_mnist_hard.toml"
SMALL: dict[str, Any] = {
    "encoder": {"name": "unet", "width": 4, "depth": 2},
    "decoder": {"name": "unet-sum", "width": 4, "depth": 2},
    "head": {"name": "single-heatmap", "keypoints": 3, "window": 5},
    "reduction": 2,
    "glimpse": 8,
    "width": 4,
    "channels": 8,
    "contrast": {"name": "nt-xent", "prototypes": 4},
    "regularizer": {"name": "iic", "prototypes": 4, "fine": 6},
}


class TestDetectorStage(SystemConformance):
    name = "views"
    settings: ClassVar[dict[str, Any]] = SMALL


class TestContrastAndClusteringStage(SystemConformance):
    name = "views"
    settings: ClassVar[dict[str, Any]] = {
        **SMALL,
        "stages": (0, 0.1, 0.9, 0),
        "colour": True,
        "recentre": 0.9,
    }


class TestSelfLabelStage(SystemConformance):
    name = "views"
    settings: ClassVar[dict[str, Any]] = {
        **SMALL,
        "stages": (0, 0, 0, 1),
        "certainty": 0.0,
        "decoder": {"name": "unet-alpha", "width": 4, "depth": 2},
    }


def build(**settings: Any) -> Any:
    torch.manual_seed(0)
    return registry.build("system", {"name": "views", **SMALL, **settings}, toy_task()).train()


def train(system: Any, steps: int, batch: Batch | None = None) -> None:
    """Train from the first step to the last, on the toy task unless told otherwise."""
    system.configure(steps)
    for step in range(steps):
        torch.manual_seed(step)
        system.fit_step(batch or toy_batch(toy_task(), 8), step)


def state(module: torch.nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in module.parameters()])


def test_stages_follow_one_another_and_the_detector_is_held_after_its_own() -> None:
    system = build(stages=(0.25, 0.25, 0.25, 0.25))
    system.configure(8)
    batch, seen, detectors = toy_batch(toy_task(), 8), [], []
    for step in range(8):
        torch.manual_seed(step)
        seen.append(set(system.fit_step(batch, step)))
        detectors.append(state(system.detector))
    assert all("reconstruction" in names for names in seen[:2])
    for part, stage in enumerate(("contrast", "clustering", "self-labels"), 1):
        assert seen[2 * part] == seen[2 * part + 1] == {stage, "painting"}
    assert all(torch.equal(detectors[1], later) for later in detectors[2:])


def test_prototypes_are_placed_at_the_end_of_the_contrast() -> None:
    system = build(stages=(0, 1, 0, 0), regularizer={"name": "nt-xent", "prototypes": 4})
    before = system.regularizer.prototypes.detach().clone()
    train(system, 3)
    after = system.regularizer.prototypes.detach()
    assert not torch.equal(before, after)
    # Means of unit vectors lie within the sphere, where random starts of 8 channels do not.
    assert (after.norm(dim=-1) <= 1 + 1e-5).all()


def test_the_slow_copy_starts_as_the_describer_and_lags_behind_it() -> None:
    system = build(stages=(0, 0, 0, 1), certainty=0.0)
    start = state(system.describer)
    train(system, 6)
    now, slow = state(system.describer), state(system.teacher.describer)
    assert 0 < (slow - start).norm() < 0.5 * (now - start).norm()


def coloured_squares() -> tuple[Batch, torch.Tensor, torch.Tensor]:
    """Return images of three squares far apart, their centres [16, 3, 2] and colours [16, 3]."""
    palette = torch.tensor([[1.0, 0.1, 0.1], [0.1, 1.0, 0.1], [0.1, 0.1, 1.0], [1.0, 1.0, 1.0]])
    colour = torch.randint(4, (16, 3), generator=torch.Generator().manual_seed(0))
    centres = torch.tensor([[6, 6], [24, 8], [15, 24]])
    images = torch.zeros(16, 3, 32, 32)
    for k, (x, y) in enumerate(centres.tolist()):
        images[:, :, y - 3 : y + 4, x - 3 : x + 4] = palette[colour[:, k]][..., None, None]
    return Batch(images), centres.float().expand(16, -1, -1), colour


def test_it_tells_colours_apart() -> None:
    """Positions are given, so that the describer's stages alone are tested."""
    batch, centres, colour = coloured_squares()
    settings = {"stages": (0, 0.3, 0.7, 0), "colour": True, "gamma": 0.2, "learning_rate": 5e-3}
    system = build(**settings, regularizer={"name": "iic", "prototypes": 8, "fine": 0})
    system.detector.locate = lambda images: centres
    train(system, 100, batch)
    with torch.no_grad():
        descriptors = system._describe(system._plain(batch.images, centres))
    label, truth = system.regularizer.assign(descriptors), colour.flatten()
    joint = torch.zeros(8, 4).index_put((label, truth), torch.ones(len(truth)), accumulate=True)
    assert joint.amax(1).sum() / joint.sum() > 0.9


def test_keypoints_are_in_pixels_of_the_whole_image() -> None:
    system = build()
    whole = system.detector._enlarged(torch.tensor([[0.0, 7.0]]))
    # The first reduced pixel is the mean of pixels 0 and 1.
    torch.testing.assert_close(whole, torch.tensor([[0.5, 14.5]]))


def test_prototypes_are_drawn() -> None:
    pictures = build().figures()["prototype_images"]
    assert pictures.shape == (4, 3, 32, 32)
    assert pictures.dtype == torch.uint8
    # Only the glimpse in the middle is drawn on.
    assert pictures[..., 0, 0].max() == 0 < pictures[..., 16, 16].max()


def test_masks_pass_through_at_the_size_of_the_image() -> None:
    system = build(decoder={"name": "unet-alpha", "width": 4, "depth": 2}).eval()
    masks = system.predict(toy_batch(toy_task()).images).masks
    assert masks.shape == (4, 3, 32, 32)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"glimpse": 10}, "a multiple of 4"),
        ({"reduction": 3}, "divides the image's sides"),
        ({"stages": (0, 0, 0, 0)}, "not all 0"),
        ({"regularizer": {"name": "kmeans"}}, "pair_loss"),
        ({"contrast": {"name": "none"}}, "pair_loss"),
    ],
)
def test_what_cannot_work_is_said(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        build(**settings)


def test_every_rule_sets_something() -> None:
    # A rule is ignored where a system lacks the setting, and so would a misspelt one be.
    known = {p.name for p in registry.signature("system", "views").parameters}
    found = rules("system", "views")
    assert found
    for rule in found:
        names = {path[1] for path in rule.values if path[0] == "system"}
        assert names <= known, rule.origin


def test_the_rules_are_in_the_package() -> None:
    assert (files("tuskbench_views") / "views.toml").is_file()


def test_the_spec_has_no_error() -> None:
    assert load(SPEC).tasks == ["mnist-hard"]


@pytest.mark.parametrize("task", ["mnist-hard", "tetrominoes", "clevr6"])
def test_it_runs_on_every_task_whose_objects_repeat(task: str, tmp_path: Path) -> None:
    """From data to a record, by the rules of the smallest budget."""
    spec = tmp_path / "spec.toml"
    spec.write_text(f'title = "t"\nseeds = [0]\n[task.{task}]\n[system]\nname = "views"\n')
    options = ["--budget", "smoke", "--executor", "inline", "--no-figures"]
    run = CliRunner().invoke(main, ["run", str(spec), "--out", str(tmp_path / "out"), *options])
    assert run.exit_code == 0, run.output
    (record,) = (tmp_path / "out" / "cells").glob("*/record.json")
    assert json.loads(record.read_text())["record"]["status"] == "done"
