"""Backbones by their timm name, with one clear sentence where weights cannot be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from tuskbench.errors import ConfigurationError, WeightsMissingError, suggestion
from tuskbench.ops.torchvision_schemas import declare_missing_operators


def feature_extractor(
    component: str,
    model: str,
    pretrained: bool,
    *,
    without: str = "set pretrained = false",
    **options: Any,
) -> nn.Module:
    """Return a timm model that gives a list of feature maps.

    Args:
        component: name of the component that asks, for the message.
        model: timm's name of the model.
        pretrained: load timm's weights for it, from its cache or the network.
        without: what to do where the weights cannot be had, for the message.
        options: further options of `timm.create_model`, such as `out_indices`.

    Raises:
        ConfigurationError: if timm has no such model, or none with feature maps.
        WeightsMissingError: if the weights are neither cached nor reachable.
    """
    declare_missing_operators()
    import timm

    if not timm.is_model(model.split(".")[0]):
        hint = suggestion(model, timm.list_models())
        raise ConfigurationError(component, "model", model, f"the name of a timm model{hint}")
    try:
        with _quick_hub() if pretrained else nullcontext():
            network: nn.Module = timm.create_model(
                model, pretrained=pretrained, features_only=True, **options
            )
    except (RuntimeError, AttributeError, NotImplementedError) as error:
        if "pretrained" in str(error).lower():
            raise _missing(model, error, without) from error
        expected = f"a timm model that gives feature maps ({str(error).splitlines()[0]})"
        raise ConfigurationError(component, "model", model, expected) from error
    except OSError as error:
        raise _missing(model, error, without) from error
    return network


def feature_channels(network: nn.Module) -> list[int]:
    """Return the channels of each feature map of a `feature_extractor`, finest first."""
    info: Any = network.feature_info
    return list(info.channels())


def feature_maps(network: nn.Module, images: Tensor) -> list[Tensor]:
    """Return a `feature_extractor`'s maps [B, C, h, w] of images [B, 3, H, W], finest first.

    Some backbones, Swin among them, give [B, h, w, C]; timm says which in `output_fmt`.
    """
    maps: list[Tensor] = network(images)
    if str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC"):
        return [found.permute(0, 3, 1, 2).contiguous() for found in maps]
    return maps


def imagenet_normalisation() -> nn.Module:
    """Return the normalisation of images in [0, 1] that ImageNet's weights expect."""
    from kornia.enhance import Normalize

    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    return Normalize(torch.tensor(mean), torch.tensor(deviation))


@contextmanager
def _quick_hub() -> Iterator[None]:
    """Where the hub has no address, look into its cache alone, without a minute of retries."""
    from huggingface_hub import constants

    try:
        socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, "https")
    except OSError:
        with patch.object(constants, "HF_HUB_OFFLINE", True):
            yield
    else:
        yield


def _missing(model: str, error: Exception, without: str) -> WeightsMissingError:
    reason = f"{type(error).__name__} while asking the hub"
    remedy = f"download them once where there is a network, or {without}"
    return WeightsMissingError(f"timm/{model}", reason, remedy)
