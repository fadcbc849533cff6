"""LatentKeypointGAN: a GAN driven by keypoints teaches a detector (He et al., arXiv 2103.15812)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from annotated_types import Ge, Gt, Le
from torch import Tensor

from tuskbench.contracts import Batch, TaskInfo
from tuskbench_landmarks.colour import ColourJitter
from tuskbench_landmarks.gan_networks import Detector, Discriminator
from tuskbench_landmarks.keypoint_generator import Generator
from tuskbench_landmarks.landmark_system import Detection, LandmarkSystem
from tuskbench_landmarks.soft_argmax import mean, spatial_softmax

GAN_BETAS = (0.5, 0.9)
JITTER = ColourJitter(contrast=0.2, brightness=0.1, saturation=0.2, hue=0.02)


class LatentKeypointGAN(LandmarkSystem):
    """A generator draws images around random keypoints; a detector learns to find them.

    First a GAN is trained: noise becomes K keypoints and their embeddings, which set the style
    of a generator's normalisations around each keypoint (SPADE), and a discriminator compares
    with real images. Then, with the generator held, a ResNet learns to locate the keypoints of
    generated images, and that network detects in real ones. `gan_share` of all steps go to the
    GAN.

    The authors released no code; what the paper leaves open follows their later GANSeg: blocks,
    normalisation, optimizers. Chosen here: the detector reads positions from softmax maps, so
    that they have scores, and sees generated images in changed colours; the penalty on the
    discriminator is R1.

    TUSK's Table 3 has a row for the published settings and one for settings tuned by its
    authors, which are not published; `specs/comparison_landmarks.toml` says what its tuned row
    sets.

    Args:
        task: the task (wired by the runner).
        width: multiplies the channels of generator and discriminator.
        detector_width: multiplies the channels of the detector.
        embedding: channels of a keypoint's embedding.
        tau: of a keypoint's extent exp(-d^2 / tau), in square half sides.
        spread: multiplies the keypoint network's output before its tanh.
        gan_share: share of all steps that train the GAN; the others train the detector.
        generator_rate: of Adam for the generator.
        discriminator_rate: of Adam for the discriminator.
        penalty_weight: of half the squared gradient of the discriminator at real images.
        background_weight: of the squared difference, outside all keypoints, of images that share
            a background and differ in keypoints.
        jitter: whether the detector sees changed colours.
        shared: settings of `LandmarkSystem`; its learning rate is the detector's.
    """

    def __init__(
        self,
        task: TaskInfo,
        *,
        width: Annotated[float, Gt(0)] = 1.0,
        detector_width: Annotated[float, Gt(0)] = 1.0,
        embedding: Annotated[int, Ge(1)] = 64,
        tau: Annotated[float, Gt(0)] = 0.01,
        spread: Annotated[float, Gt(0)] = 1.0,
        gan_share: Annotated[float, Ge(0), Le(1)] = 0.8,
        generator_rate: Annotated[float, Gt(0)] = 1e-4,
        discriminator_rate: Annotated[float, Gt(0)] = 4e-4,
        penalty_weight: Annotated[float, Ge(0)] = 10.0,
        background_weight: Annotated[float, Ge(0)] = 100.0,
        jitter: bool = True,
        **shared: Any,
    ) -> None:
        super().__init__(task, **shared)
        size = task.image_size
        self.generator = Generator(self.keypoints, size, width, embedding, tau, spread)
        self.discriminator = Discriminator(size, width)
        self.detector = Detector(self.keypoints, detector_width)
        self.gan_share = gan_share
        self.rates = {"generator": generator_rate, "discriminator": discriminator_rate}
        self.penalty_weight, self.background_weight = penalty_weight, background_weight
        self.jitter = jitter

    def configure(self, total_steps: int) -> Mapping[str, torch.optim.Optimizer]:
        """Make an optimizer for each of the three networks."""
        self.total_steps = total_steps
        self.gan_optimizers = {
            name: torch.optim.Adam(
                self.get_submodule(name).parameters(), rate, GAN_BETAS, fused=True
            )
            for name, rate in self.rates.items()
        }
        self.optimizer = torch.optim.Adam(
            self.detector.parameters(), self.learning_rate, self.betas, fused=True
        )
        return {**self.gan_optimizers, "detector": self.optimizer}

    def fit_step(self, batch: Batch, step: int) -> Mapping[str, Tensor | float]:
        """Train the GAN on the batch or, later, the detector on as many generated images."""
        gan_steps = round(self.gan_share * self.total_steps)
        if step >= gan_steps:
            return super().fit_step(batch, step)
        return {
            "discriminator": self._train("discriminator", self._discriminator_loss(batch.images)),
            "generator": self._train("generator", self._generator_loss(len(batch.images))),
        }

    def progress(self, step: int) -> float:
        """Return the share of the detector's steps that is done."""
        gan_steps = round(self.gan_share * self.total_steps)
        return (step - gan_steps) / max(1, self.total_steps - gan_steps)

    def _train(self, name: str, loss: Tensor) -> Tensor:
        optimizer = self.gan_optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss.backward(inputs=list(self.get_submodule(name).parameters()))
        optimizer.step()
        return loss.detach()

    def _discriminator_loss(self, images: Tensor) -> Tensor:
        """Return the logistic loss on real and generated images, with the penalty."""
        with torch.no_grad():
            fake = self.generator(self.generator.noise(len(images), images.device)).images
        real = images.detach().requires_grad_()
        said = self.discriminator(real)
        (slope,) = torch.autograd.grad(said.sum(), real, create_graph=True)
        penalty = 0.5 * slope.square().sum((1, 2, 3)).mean()
        lies = F.softplus(self.discriminator(fake)).mean()
        loss: Tensor = F.softplus(-said).mean() + lies + self.penalty_weight * penalty
        return loss

    def _generator_loss(self, count: int) -> Tensor:
        """Return the non-saturating loss, and how far backgrounds depend on keypoints."""
        noise = self.generator.noise(count, self.generator.start.device)
        half = count // 2
        # Pairs of images share a background, which costs no further image.
        noise[2, half : 2 * half] = noise[2, :half]
        made = self.generator(noise)
        outside = made.background[:half] * made.background[half : 2 * half]
        difference = (made.images[:half] - made.images[half : 2 * half]).square()
        background = (outside * difference).mean() if half else made.images.new_zeros(())
        fooled = F.softplus(-self.discriminator(made.images)).mean()
        loss: Tensor = fooled + self.background_weight * background
        return loss

    def parameter_groups(self) -> list[dict[str, object]]:
        """Return the detector's weights."""
        return [{"params": list(self.detector.parameters())}]

    def losses(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Return the detector's squared error on as many generated images."""
        with torch.no_grad():
            made = self.generator(self.generator.noise(len(images), images.device))
            seen = JITTER(made.images) if self.jitter else made.images
        return {"detector": (self.locate(seen).xy - made.xy).square().sum(-1).mean()}

    def locate(self, images: Tensor) -> Detection:
        """Return the keypoints of images [B, 3, H, W]."""
        maps = spatial_softmax(self.sharpness * self.detector(images))
        return Detection(maps, mean(maps))

    def detect(self, images: Tensor) -> Detection:
        """Return the keypoints of images [B, 3, H, W]."""
        return self.locate(images)
