"""The contracts of encoders, heads, decoders, regularizers and reconstruction losses."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from tuskbench.contracts import Keypoints
from tuskbench.testing import toys
from tuskbench.testing.modules import ModuleConformance, Outputs, assert_finite


def assert_keypoints(keypoints: Keypoints, batch: int, size: tuple[int, int]) -> None:
    """Check the shapes, types and ranges of detections in images of (height, width)."""
    height, width = size
    count = keypoints.score.shape[1]
    assert keypoints.xy.shape == (batch, count, 2)
    assert keypoints.score.shape == (batch, count)
    assert keypoints.xy.is_floating_point()
    # Pixel centres are whole numbers, so the image ends half a pixel beyond them.
    limits = keypoints.xy.new_tensor([width - 0.5, height - 0.5])
    assert (keypoints.xy >= -0.5).all()
    assert (keypoints.xy <= limits).all(), "x comes before y"
    assert ((keypoints.score >= 0) & (keypoints.score <= 1)).all()
    if keypoints.label is not None:
        assert keypoints.label.shape == (batch, count)
        assert keypoints.label.dtype == torch.int64
        assert (keypoints.label >= 0).all()
    if keypoints.descriptor is not None:
        assert keypoints.descriptor.shape[:2] == (batch, count)


def assert_masks(masks: Tensor, batch: int, size: tuple[int, int]) -> None:
    """Check that masks [B, K, H, W] share every pixel between them."""
    assert masks.shape[0] == batch
    assert masks.shape[2:] == size
    assert (masks >= 0).all()
    torch.testing.assert_close(masks.float().sum(1), torch.ones(batch, *size), atol=1e-3, rtol=0)


def assert_image(image: Tensor, batch: int, size: tuple[int, int]) -> None:
    """Check that a picture is [B, 3, H, W] in [0, 1]."""
    assert image.shape == (batch, 3, *size)
    assert ((image >= 0) & (image <= 1)).all()


class EncoderConformance(ModuleConformance):
    """Images [B, 3, H, W] to features [B, channels, H, W]."""

    kind = "encoder"
    gradients: ClassVar[dict[str, tuple[str, ...]]] = {"features": ("images",)}

    def inputs(self) -> dict[str, Any]:
        """Return images."""
        return {"images": toys.toy_images()}

    def outputs(self, module: Any, inputs: dict[str, Any]) -> Outputs:
        """Return the features."""
        return {"features": module(inputs["images"])}

    def test_features_have_the_image_size(self, component: Any) -> None:
        """The size is the image's; the channels are those that `channels` promises."""
        assert isinstance(component.channels, int)
        features = self.run(component)["features"]
        assert features.shape == (3, component.channels, *toys.SIZE)


class HeadConformance(ModuleConformance):
    """Features [B, C, H, W] to keypoints and score maps [B, 1 or K, H, W] in [0, 1]."""

    kind = "head"
    gradients: ClassVar[dict[str, tuple[str, ...]]] = {
        "xy": ("features",),
        "score": ("features",),
    }

    def wired(self) -> tuple[Any, ...]:
        """Return the number of channels."""
        return (toys.CHANNELS,)

    def inputs(self) -> dict[str, Any]:
        """Return features."""
        return {"features": toys.toy_features()}

    def outputs(self, module: Any, inputs: dict[str, Any]) -> Outputs:
        """Return the keypoints' parts and the score maps."""
        keypoints, heatmap = module(inputs["features"])
        parts = vars(keypoints).items()
        return {"heatmap": heatmap, **{name: part for name, part in parts if part is not None}}

    def test_keypoints_and_maps(self, component: Any) -> None:
        """Shapes, types and ranges are those of the contract; the best come first."""
        keypoints, heatmap = component(toys.toy_features())
        assert_keypoints(keypoints, 3, toys.SIZE)
        assert (keypoints.score.diff(dim=1) <= 0).all()
        if keypoints.descriptor is not None:
            # Decoder and regularizer are built for the encoder's channels.
            assert keypoints.descriptor.shape[2] == toys.CHANNELS
        assert heatmap.shape[1] in (1, keypoints.score.shape[1])
        assert heatmap.shape[2:] == toys.SIZE
        assert ((heatmap >= 0) & (heatmap <= 1)).all()

    def test_featureless_images(self) -> None:
        """Equal features everywhere give finite keypoints and finite gradients."""
        features = torch.full_like(toys.toy_features(), 0.5).requires_grad_()
        outputs = self.run(self.build().train(), {"features": features})
        assert_finite(outputs)
        torch.stack([v.float().sum() for v in outputs.values() if v.requires_grad]).sum().backward()
        assert features.grad is None or torch.isfinite(features.grad).all()


class DecoderConformance(ModuleConformance):
    """Keypoints to a reconstruction [B, 3, H, W] and masks [B, K, H, W] or None.

    A decoder that draws positions alone overrides `gradients`.
    """

    kind = "decoder"
    gradients: ClassVar[dict[str, tuple[str, ...]]] = {
        "image": ("keypoints.xy", "keypoints.score", "keypoints.descriptor")
    }

    def wired(self) -> tuple[Any, ...]:
        """Return the number of channels."""
        return (toys.CHANNELS,)

    def inputs(self) -> dict[str, Any]:
        """Return keypoints."""
        return {"keypoints": toys.toy_keypoints()}

    def outputs(self, module: Any, inputs: dict[str, Any]) -> Outputs:
        """Return the image and the masks, if there are any."""
        image, masks = module(inputs["keypoints"], toys.SIZE)
        return {"image": image} if masks is None else {"image": image, "masks": masks}

    def test_image_and_masks(self, component: Any) -> None:
        """The image is one; masks, where there are any, share every pixel."""
        image, masks = component(toys.toy_keypoints(), toys.SIZE)
        assert_image(image, 3, toys.SIZE)
        if masks is not None:
            assert masks.shape[1] == 4
            assert_masks(masks, 3, toys.SIZE)

    def test_unusual_keypoints(self, component: Any) -> None:
        """One keypoint, keypoints at one place, at the corners and outside are drawn."""
        for count, xy in ((1, [0.0, 0.0]), (3, [39.0, 31.0]), (2, [-3.0, 200.0])):
            keypoints = toys.toy_keypoints(2, count)
            keypoints.xy[:] = torch.tensor(xy)
            image, _ = component(keypoints, toys.SIZE)
            assert_image(image, 2, toys.SIZE)


class ReconstructionConformance(ModuleConformance):
    """Two images [B, 3, H, W] in [0, 1] to a scalar loss."""

    kind = "reconstruction"
    batchwise = False
    gradients: ClassVar[dict[str, tuple[str, ...]]] = {"loss": ("prediction",)}

    def inputs(self) -> dict[str, Any]:
        """Return a prediction and its target."""
        target = toys.toy_images()
        return {"prediction": target.flip(0).mul(0.9), "target": target}

    def outputs(self, module: Any, inputs: dict[str, Any]) -> Outputs:
        """Return the loss."""
        return {"loss": module(inputs["prediction"], inputs["target"])}

    def test_is_a_distance(self, component: Any) -> None:
        """The loss is a scalar, 0 for equal images and more for others."""
        assert self.run(component)["loss"].shape == ()
        images = toys.toy_images()
        assert abs(component(images, images.clone()).item()) < 1e-6
        near, far = (component((images + step).clamp(0, 1), images).item() for step in (0.05, 0.5))
        assert 0 < near < far


class RegularizerConformance(ModuleConformance):
    """Prototypes [M, C] and the losses between them and unit descriptors [N, C]."""

    kind = "regularizer"
    batchwise = False

    def wired(self) -> tuple[Any, ...]:
        """Return the number of channels."""
        return (toys.CHANNELS,)

    def inputs(self) -> dict[str, Any]:
        """Return unit descriptors in four groups."""
        return {"descriptors": toys.toy_descriptors()}

    def outputs(self, module: Any, inputs: dict[str, Any]) -> Outputs:
        """Return both losses, the labels and what the decoder would see."""
        descriptors = inputs["descriptors"]
        return {
            "descriptor_loss": module.descriptor_loss(descriptors),
            "prototype_loss": module.prototype_loss(descriptors),
            "labels": module.assign(descriptors),
            "quantized": module.quantize(descriptors),
        }

    def test_prototypes_and_what_it_provides_agree(self, component: Any) -> None:
        """There are prototypes exactly where the class says that it provides labels."""
        prototypes = component.prototypes
        assert (prototypes is not None) == ("labels" in self.signature.provides)
        assert prototypes is None or prototypes.shape[1:] == (toys.CHANNELS,)

    def test_labels(self, component: Any) -> None:
        """Labels are prototypes' indices, of any leading shape, each for itself."""
        descriptors = toys.toy_descriptors()
        labels = component.assign(descriptors)
        assert labels.shape == (24,)
        assert labels.dtype == torch.int64
        count = 1 if component.prototypes is None else len(component.prototypes)
        assert ((labels >= 0) & (labels < count)).all()
        assert torch.equal(component.assign(descriptors.view(4, 6, -1)), labels.view(4, 6))
        assert torch.equal(component.assign(descriptors[:1]), labels[:1])

    def test_losses_are_scalars(self, component: Any) -> None:
        """Both, for a single descriptor too."""
        for count in (1, 24):
            outputs = self.run(component, {"descriptors": toys.toy_descriptors(count)})
            assert outputs["descriptor_loss"].shape == ()
            assert outputs["prototype_loss"].shape == ()
            assert_finite(outputs)

    def test_each_loss_trains_its_side(self) -> None:
        """The descriptors' loss reaches the descriptors, the prototypes' the prototypes."""
        regularizer = self.build().train()
        if regularizer.prototypes is None:
            return
        descriptors = toys.toy_descriptors().requires_grad_()
        regularizer.descriptor_loss(descriptors).backward()
        assert descriptors.grad is not None
        assert descriptors.grad.abs().sum() > 0
        regularizer.zero_grad()
        regularizer.prototype_loss(toys.toy_descriptors()).backward()
        assert regularizer.prototypes.grad is not None
        assert regularizer.prototypes.grad.abs().sum() > 0

    def test_prototypes_learn(self) -> None:
        """Two hundred steps on grouped descriptors lower the prototypes' loss."""
        regularizer = self.build().train()
        if regularizer.prototypes is None:
            return
        descriptors = toys.toy_descriptors(64)
        optimizer = torch.optim.Adam(regularizer.parameters(), 0.05, betas=(0.5, 0.999))
        torch.manual_seed(1)
        history = []
        for _ in range(200):
            loss = regularizer.prototype_loss(descriptors)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        assert sum(history[-20:]) < sum(history[:20])

    def test_prototypes_can_be_placed(self) -> None:
        """Placed prototypes keep their shape and stay trainable parameters."""
        regularizer = self.build()
        before = regularizer.prototypes
        torch.manual_seed(1)
        regularizer.initialise(toys.toy_descriptors(64))
        assert regularizer.prototypes is before
        assert before is None or torch.isfinite(before).all()

    def test_quantized_descriptors_pass_gradients(self) -> None:
        """What the decoder sees has the descriptors' shape, and its gradient reaches them."""
        regularizer = self.build().train()
        descriptors = toys.toy_descriptors().requires_grad_()
        quantized = regularizer.quantize(descriptors)
        assert quantized.shape == descriptors.shape
        quantized[:, 0].sum().backward()
        assert descriptors.grad is not None
        assert descriptors.grad.abs().sum() > 0

    def test_pair_loss_prefers_matched_views(self) -> None:
        """A scalar that trains both views, lower for views of one object than of two."""
        regularizer = self.build().train()
        if not hasattr(regularizer, "pair_loss"):
            return
        views = [toys.toy_descriptors(64).requires_grad_() for _ in range(2)]
        loss = regularizer.pair_loss(*views)
        assert loss.shape == ()
        loss.backward()
        for view in views:
            assert view.grad is not None, "the loss does not depend on both views"
            assert torch.isfinite(view.grad).all()
            assert view.grad.abs().sum() > 0, "the loss does not depend on both views"
        first = views[0].detach()
        matched, mixed = (regularizer.pair_loss(first, first.roll(by, 0)) for by in (0, 1))
        assert matched < mixed, "views of different objects fit better than those of one"
