"""The composed system: learning, alternation, schedules, composition by name."""

from __future__ import annotations

import pytest
import torch

from tuskbench.cell import PRECISIONS, Training
from tuskbench.contracts import Batch, System, TaskInfo, WarpSettings
from tuskbench.run.device import make_fabric
from tuskbench.systems.tusk import Tusk

WARP = WarpSettings(scale=(1.0, 0.05), displacement=0.05, offset=0.02, rotation=0.1)
TASK = TaskInfo("toy", (16, 16), (WARP, WARP))
ENCODER = {"name": "unet", "width": 8, "depth": 3}
DECODER = {"name": "unet-sum", "width": 8, "depth": 3}
HEAD = {"name": "single-heatmap", "keypoints": 3, "window": 5}


def system(**settings) -> Tusk:
    torch.manual_seed(0)
    base = {
        "encoder": ENCODER,
        "head": HEAD,
        "decoder": DECODER,
        "regularizer": {"name": "sliced-wasserstein", "prototypes": 4},
    }
    made = Tusk(TASK, **{**base, **settings})
    made.optimizers = made.configure(20)
    return made


def batch(count: int = 4) -> Batch:
    """Three bright squares an image."""
    images = torch.zeros(count, 3, 16, 16)
    generator = torch.Generator().manual_seed(0)
    for image in images:
        for x, y in torch.randint(1, 12, (3, 2), generator=generator).tolist():
            image[:, y : y + 3, x : x + 3] = torch.rand(3, 1, 1, generator=generator)
    return Batch(images)


def run(made: Tusk, steps: int) -> list[dict[str, float]]:
    history = []
    for step in range(steps):
        torch.manual_seed(step)
        history.append({k: float(v) for k, v in made.fit_step(batch(), step).items()})
    return history


def test_is_a_system() -> None:
    assert isinstance(system(), System)


def test_training_lowers_the_reconstruction_loss() -> None:
    history = run(system(learning_rate=5e-3), 20)
    assert history[-1]["reconstruction"] < 0.5 * history[0]["reconstruction"]


def test_every_loss_is_reported_with_its_weight() -> None:
    losses = run(system(), 1)[0]
    expected = {"reconstruction", "clustering", "heatmap_equivariance", "feature_equivariance"}
    assert set(losses) == expected | {"prototypes"}
    without = run(system(heatmap_equivariance=0.0, feature_equivariance=0.0), 1)[0]
    assert set(without) == {"reconstruction", "clustering", "prototypes"}


@pytest.mark.parametrize("strategy", ["alternating", "joint"])
def test_prototypes_move_in_both_strategies(strategy) -> None:
    made = system(strategy=strategy)
    before = made.regularizer.prototypes.clone()
    run(made, 1)
    assert not torch.equal(before, made.regularizer.prototypes)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_prototype_steps_see_the_updated_encoder(precision: str) -> None:
    made = system(prototype_steps=3, learning_rate=0.1)
    seen, pairs = [], []
    original, encoder = made.regularizer.prototype_loss, made.encoder.forward

    def prototype_loss(descriptors: torch.Tensor) -> torch.Tensor:
        seen.append(descriptors)
        return original(descriptors)

    made.regularizer.prototype_loss = prototype_loss
    made.encoder.forward = lambda images: pairs.append(images) or encoder(images)
    fabric = make_fabric("cpu", Training(precision=precision))
    with fabric.autocast():
        made.fit_step(batch(), 0)
    # Once for the networks, once for all prototype steps, on the same warped pairs.
    assert [len(images) for images in pairs] == [8, 8]
    assert torch.equal(*pairs)
    with torch.no_grad(), fabric.autocast():
        updated = made._encode(pairs[0])[2].descriptor.flatten(0, 1)
    assert len(seen) == 3
    for descriptors in seen:
        assert torch.equal(descriptors, updated)
        assert not descriptors.requires_grad


def test_no_prototype_steps_leave_the_prototypes() -> None:
    made = system(prototype_steps=0)
    before = made.regularizer.prototypes.clone()
    run(made, 2)
    assert torch.equal(before, made.regularizer.prototypes)


def test_prototype_steps_do_not_touch_the_networks() -> None:
    states = []
    for steps in (0, 5):
        made = system(prototype_steps=steps, clustering_weight=0.0)
        run(made, 2)
        states.append(made.encoder.state_dict())
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_held_back_clustering_starts_from_kmeans() -> None:
    made = system(clustering_start=0.5, clustering_ramp=0.25)
    before = made.regularizer.prototypes.clone()
    history = run(made, 10)
    assert "clustering" not in history[-1]
    assert torch.equal(before, made.regularizer.prototypes)
    history = [{k: float(v) for k, v in made.fit_step(batch(), step).items()} for step in (10, 12)]
    assert history[0].get("clustering", 0) == 0
    assert history[1]["clustering"] > 0
    assert not torch.equal(before, made.regularizer.prototypes)


@pytest.mark.parametrize("strategy", ["alternating", "joint"])
def test_kmeans_places_prototypes_as_often_as_asked(strategy) -> None:
    made = system(
        strategy=strategy,
        clustering_start=0.5,
        clustering_ramp=0.4,
        placements=2,
        prototype_steps=1,
    )
    placed = []
    original = made.regularizer.initialise

    def initialise(descriptors) -> None:
        placed.append(len(descriptors))
        original(descriptors)

    made.regularizer.initialise = initialise
    steps_of = []
    for step in range(20):
        torch.manual_seed(step)
        losses = made.fit_step(batch(), step)
        assert ("prototypes" in losses) == (step >= 10)
        steps_of.append(len(placed))
    assert steps_of.index(1) == 10
    assert steps_of.index(2) == 14
    assert placed[0] == 11 * 4 * 3


@pytest.mark.parametrize("regularizer", ["kmeans", "vq"])
def test_every_regularizer_can_be_placed_again(regularizer) -> None:
    made = system(
        regularizer={"name": regularizer, "prototypes": 3},
        clustering_start=0.25,
        clustering_ramp=0.5,
        placements=2,
    )
    assert all(
        torch.isfinite(torch.tensor(list(losses.values()))).all() for losses in run(made, 14)
    )


def test_codes_replace_descriptors_from_the_step_on_at_which_they_are_trained() -> None:
    made = system(regularizer={"name": "vq", "prototypes": 3}, clustering_start=0.5)
    quantized = []
    original = made.regularizer.quantize

    def quantize(descriptors: torch.Tensor) -> torch.Tensor:
        quantized.append(True)
        return original(descriptors)

    made.regularizer.quantize = quantize
    for step in range(12):
        before = made.regularizer.prototypes.clone()
        quantized.clear()
        made.fit_step(batch(), step)
        trained = not torch.equal(before, made.regularizer.prototypes)
        assert bool(quantized) == trained == (step >= 10), step
    made.predict(batch().images)
    assert quantized


def test_unit_features_cannot_shrink_under_equivariance() -> None:
    losses = []
    for scale in (1.0, 1e-3):
        made = system(equivariant_features="unit", feature_equivariance=1.0)
        last = made.encoder.network.last
        with torch.no_grad():
            last.weight.mul_(scale)
            last.bias.mul_(scale)
        losses.append(run(made, 1)[0]["feature_equivariance"])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_relative_maps_cannot_shrink_under_equivariance() -> None:
    losses = []
    for scale in (1.0, 1e-2):
        made = system(equivariant_features="relative", heatmap_equivariance=1.0)
        with torch.no_grad():
            made.head.score[1].weight.mul_(0.1 * scale)
        losses.append(run(made, 1)[0]["heatmap_equivariance"])
    assert losses[0] == pytest.approx(losses[1], rel=0.05)
    assert 0.01 < losses[0] < 4


def test_looks_for_more_objects_in_proportion() -> None:
    made = system().eval()
    made.task = TaskInfo("toy", (16, 16), (WARP, WARP), objects=3)
    made.look_for(5)
    assert made.predict(batch(2).images).keypoints.xy.shape == (2, 5, 2)
    made.look_for(None)
    assert made.predict(batch(2).images).keypoints.xy.shape == (2, 3, 2)


def test_cosine_schedule_ends_low() -> None:
    made = system(schedule="cosine", learning_rate=1e-3)
    run(made, 20)
    assert made.optimizers["networks"].param_groups[0]["lr"] < 1e-5


@pytest.mark.parametrize("faithful_to", ["paper", "code"])
def test_faithfulness_reaches_the_components(faithful_to) -> None:
    made = system(faithful_to=faithful_to)
    assert made.regularizer.faithful_to == faithful_to
    explicit = system(
        faithful_to=faithful_to,
        regularizer={"name": "sliced-wasserstein", "faithful_to": "paper"},
    )
    assert explicit.regularizer.faithful_to == "paper"


def test_prediction() -> None:
    made = system().eval()
    prediction = made.predict(batch().images)
    assert prediction.keypoints.xy.shape == (4, 3, 2)
    assert prediction.keypoints.label.max() < 4
    assert prediction.reconstruction.shape == (4, 3, 16, 16)
    torch.testing.assert_close(prediction.keypoints.descriptor.norm(dim=-1), torch.ones(4, 3))
    # Nothing depends on the batch.
    alone = made.predict(batch().images[:1])
    torch.testing.assert_close(alone.reconstruction, prediction.reconstruction[:1])


@pytest.mark.parametrize(
    "settings",
    [
        {"decoder": {"name": "unet-alpha", "width": 4, "depth": 2}},
        {"regularizer": {"name": "kmeans", "prototypes": 3}},
        {"regularizer": {"name": "vq", "prototypes": 3}},
        {"regularizer": {"name": "none"}},
        {"head": {"name": "channelwise", "keypoints": 3}},
        {"reconstruction": {"name": "perceptual", "weights": "random", "size": 32}},
        {"encoder": {"name": "timm", "model": "resnet18", "width": 8, "levels": 2}},
        {"centred": True},
    ],
)
def test_components_compose(settings) -> None:
    made = system(**settings)
    assert all(torch.isfinite(torch.tensor(list(run(made, 1)[0].values()))))
    made.eval()
    prediction = made.predict(batch(2).images)
    assert (prediction.masks is not None) == ("decoder" in settings)
    figures = made.figures()
    assert ("prototypes" in figures) == (settings.get("regularizer", {}).get("name") != "none")
