"""Components made from a name and settings, and what can be said of them before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tuskbench.errors import ConfigurationError, suggestion
from tuskbench.registry.lookup import entries, find, load
from tuskbench.registry.signatures import of_entry
from tuskbench.registry.values import coerce

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tuskbench.registry.parameters import Signature


def signature(kind: str, name: str) -> Signature:
    """Return what a component takes, needs and provides, from its source where there is one.

    Raises:
        UnknownComponentError, ConflictError, BrokenComponentError: as `load`.
    """
    return of_entry(find(kind, name))


def component_version(kind: str, name: str) -> str:
    """Return the version that cell ids hold: the component's own, or its package's."""
    entry = find(kind, name)
    return f"{entry.distribution} {signature(kind, name).version or entry.version}"


def build(kind: str, choice: Mapping[str, Any], *wired: Any) -> Any:
    """Load a component and make an instance.

    Args:
        kind: one of `KINDS`.
        choice: its `name` and its settings.
        wired: positional arguments that are not settings.

    Raises:
        ConfigurationError: if a setting is unknown, missing or of the wrong type.
        UnknownComponentError, ConflictError, BrokenComponentError: as `load`.
    """
    name = choice.get("name")
    if not isinstance(name, str):
        names = ", ".join(sorted({entry.name for entry in entries(kind)}))
        raise ConfigurationError(kind, "name", name, f"the name of one of: {names}")
    known = {p.name: p for p in signature(kind, name).parameters}
    is_open = signature(kind, name).open
    settings: dict[str, Any] = {}
    for key, value in choice.items():
        if key == "name":
            continue
        if key not in known and not is_open:
            expected = "a parameter of this component" + suggestion(key, known)
            raise ConfigurationError(f"{kind} {name}", key, value, expected)
        parameter = known.get(key)
        settings[key] = value if parameter is None else coerce(parameter, value, f"{kind} {name}")
    for parameter in known.values():
        if parameter.required and parameter.name not in settings:
            expected = f"a value ({parameter.type_text}); it has no default"
            raise ConfigurationError(f"{kind} {name}", parameter.name, None, expected)
    cls = load(kind, name)
    try:
        return cls(*wired, **settings)
    except ConfigurationError as error:
        # The innermost component that is made knows best whose setting it is.
        error.owner = error.owner or (kind, name)
        raise
