"""What systems provide, for what tasks need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tuskbench import registry


def provided(kind: str, choice: Mapping[str, Any]) -> frozenset[str]:
    """Return what a component and the components in it provide together."""
    signature = registry.signature(kind, choice["name"])
    found = signature.provides
    for parameter in signature.parameters:
        value = choice.get(parameter.name)
        if parameter.component_kind is not None and isinstance(value, Mapping):
            found |= provided(parameter.component_kind, value)
    return found
