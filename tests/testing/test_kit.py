"""The conformance kit finds what is wrong with components made wrong on purpose."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import torch
from torch import nn

from tuskbench import registry
from tuskbench.contracts import Keypoints, Prediction
from tuskbench.decoders.unet_sum import UNetSumDecoder
from tuskbench.encoders.unet import UNetEncoder
from tuskbench.heads.channelwise import ChannelwiseHead
from tuskbench.reconstruction.mse import MeanSquaredError
from tuskbench.regularizers.kmeans import KMeans
from tuskbench.systems.tusk import Tusk
from tuskbench.testing import CONFORMANCE, in_batches


@pytest.fixture
def case():
    """Register a class under a name of its own; return an instance of its kind's test class."""
    with ExitStack() as registrations:

        def make(kind: str, component: type, **settings):
            name = f"wrong-{component.__name__.lower()}"
            registrations.enter_context(registry.register(kind, name, component))
            members = {"name": name, "settings": settings}
            return type("Case", (CONFORMANCE[kind],), members)()

        yield make


class SwappedAxes(UNetEncoder):
    """Features of the transposed image."""

    def forward(self, images):
        return super().forward(images).transpose(-1, -2)


class BatchStatistics(UNetEncoder):
    """Features that depend on the whole batch, at inference too."""

    def forward(self, images):
        return super().forward(images - images.mean())


class Cut(UNetEncoder):
    """Features without a gradient to the images."""

    def forward(self, images):
        return super().forward(images.detach())


class Unseeded(UNetEncoder):
    """Weights that do not follow the seed."""

    def __init__(self, *, width: int = 4, depth: int = 2) -> None:
        super().__init__(width=width, depth=depth)
        with torch.no_grad():
            generator = torch.Generator()
            generator.seed()
            self.network.last.weight.normal_(generator=generator)


class Undocumented(UNetEncoder):
    """Says nothing of its setting."""

    def __init__(self, *, width: int = 4) -> None:
        super().__init__(width=width, depth=2)


class WrongDefault(UNetEncoder):
    """A default of another type.

    Args:
        width: channels.
    """

    def __init__(self, *, width: int = "4") -> None:  # type: ignore[assignment]
        super().__init__(width=int(width), depth=2)


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (SwappedAxes, "test_features_have_the_image_size", "40"),
        (BatchStatistics, "test_outputs_do_not_depend_on_the_batch", "features differs"),
        (Cut, "test_gradients_reach_the_inputs", "does not depend on images"),
        (Unseeded, "test_same_seed_same_component", "network.last.weight differs"),
        (Undocumented, "test_is_documented", "width is not in"),
    ],
)
def test_wrong_encoders(case, component, check, message) -> None:
    made = case("encoder", component, **({} if check == "test_is_documented" else {"width": 4}))
    arguments = [made.build()] if "component" in _arguments(made, check) else []
    with pytest.raises(AssertionError, match=message):
        getattr(made, check)(*arguments)


def _arguments(made, check):
    return getattr(made, check).__func__.__code__.co_varnames


def test_wrong_default(case) -> None:
    with pytest.raises(ValueError, match="an integer"):
        case("encoder", WrongDefault).test_defaults_have_their_types()


class Unsorted(ChannelwiseHead):
    """Worst keypoints first, at (y, x)."""

    def forward(self, features):
        keypoints, heatmap = super().forward(features)
        flipped = Keypoints(keypoints.xy.flip(-1), keypoints.score.flip(1))
        return flipped, heatmap


class Logits(ChannelwiseHead):
    """Score maps that are not in [0, 1]."""

    def forward(self, features):
        keypoints, heatmap = super().forward(features)
        return keypoints, heatmap.logit()


class Flattened(nn.Module):
    """Keypoints at the highest feature: exact, and without a gradient."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, features):
        heatmap = features.mean(1, keepdim=True).sigmoid()
        score, index = heatmap.flatten(1).topk(3)
        xy = torch.stack([index % features.shape[-1], index // features.shape[-1]], -1)
        return Keypoints(xy.float(), score), heatmap


@pytest.mark.parametrize("component", [Unsorted, Logits])
def test_wrong_heads(case, component) -> None:
    made = case("head", component)
    with pytest.raises(AssertionError):
        made.test_keypoints_and_maps(made.build())


def test_head_without_gradient(case) -> None:
    with pytest.raises((AssertionError, RuntimeError)):
        case("head", Flattened).test_gradients_reach_the_inputs()


class Bright(UNetSumDecoder):
    """Pictures beyond [0, 1]."""

    def forward(self, keypoints, size):
        image, masks = super().forward(keypoints, size)
        return image * 3, masks


class Halves(UNetSumDecoder):
    """Masks that do not share the pixels."""

    def forward(self, keypoints, size):
        image, _ = super().forward(keypoints, size)
        return image, torch.full((len(image), keypoints.xy.shape[1], *size), 0.9)


@pytest.mark.parametrize("component", [Bright, Halves])
def test_wrong_decoders(case, component) -> None:
    made = case("decoder", component, width=4, depth=2)
    with pytest.raises(AssertionError):
        made.test_image_and_masks(made.build())


class Offset(MeanSquaredError):  # noqa: N818 - "Error" of its base is no exception's
    """A loss that is not 0 for equal images."""

    def forward(self, prediction, target):
        return super().forward(prediction, target) + 1


def test_wrong_reconstruction(case) -> None:
    made = case("reconstruction", Offset)
    with pytest.raises(AssertionError):
        made.test_is_a_distance(made.build())


class Silent(KMeans):
    """Labels that the class does not speak of."""

    provides = frozenset()


class Floats(KMeans):
    """Labels that are no integers."""

    def assign(self, descriptors):
        return super().assign(descriptors).float()


def test_wrong_regularizers(case) -> None:
    silent, floats = case("regularizer", Silent), case("regularizer", Floats)
    with pytest.raises(AssertionError):
        silent.test_prototypes_and_what_it_provides_agree(silent.build())
    with pytest.raises(AssertionError):
        floats.test_labels(floats.build())


TINY = {
    "encoder": {"name": "unet", "width": 4, "depth": 2},
    "head": {"name": "single-heatmap", "keypoints": 3, "window": 5},
    "decoder": {"name": "unet-sum", "width": 4, "depth": 2},
}


class Forgetful(Tusk):
    """State outside the checkpoint, which training depends on."""

    def fit_step(self, batch, step):
        self.calls = getattr(self, "calls", 0) + 1
        batch.images.mul_(1 / self.calls)
        return super().fit_step(batch, step)


class Learning(Tusk):
    """Predictions that change the weights."""

    def predict(self, images):
        with torch.no_grad():
            next(self.parameters()).add_(1)
        return super().predict(images)


class Boastful(Tusk):
    """Provides masks, it says."""

    provides = frozenset({"keypoints", "masks"})


class Infinite(Tusk):
    """A loss that is not a number."""

    def fit_step(self, batch, step):
        return {**super().fit_step(batch, step), "other": float("nan")}


@pytest.mark.parametrize(
    ("component", "check"),
    [
        (Forgetful, "test_training_resumes_from_a_checkpoint"),
        (Learning, "test_prediction_changes_nothing"),
        (Boastful, "test_predicts_what_it_provides"),
        (Infinite, "test_a_step_trains"),
    ],
)
def test_wrong_systems(case, component, check, tmp_path) -> None:
    made = case("system", component, **TINY)
    arguments = [tmp_path] if "checkpoint" in check else []
    with pytest.raises(AssertionError):
        getattr(made, check)(*arguments)


def test_batches_are_slices_of_the_whole() -> None:
    whole = Prediction(Keypoints(torch.arange(14.0).view(7, 1, 2), torch.ones(7, 1)))
    parts = list(in_batches(whole, 3))
    assert [len(part.keypoints.score) for part in parts] == [3, 3, 1]
    assert torch.equal(torch.cat([part.keypoints.xy for part in parts]), whole.keypoints.xy)
