"""Checking and converting the values of settings against the types that components declare."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from tuskbench.errors import ConfigurationError
from tuskbench.registry.parameters import MISSING

if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from tuskbench.registry.parameters import Parameter


class WrongValueError(ValueError):
    """A value is not of the type that was declared; the message says what was expected."""


def checked(annotation: Any, value: Any) -> Any:
    """Return a value as the JSON-ready form of its declared type, strictly checked.

    An integer is accepted for a number, a list for a tuple; nothing else is converted.

    Raises:
        WrongValueError: if it does not fit.
    """
    return _adapter(annotation).dump_python(_parsed(annotation, value), mode="json")


def is_json(value: Any) -> bool:
    """Return whether a value can be written as JSON."""
    if value is MISSING:
        return True
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return True


def coerce(parameter: Parameter, value: Any, component: str) -> Any:
    """Return a value as the Python object that a component's parameter declares.

    Raises:
        ConfigurationError: if it does not fit.
    """
    try:
        return _parsed(parameter.annotation, value)
    except WrongValueError as error:
        raise ConfigurationError(component, parameter.name, value, str(error)) from None


def _parsed(annotation: Any, value: Any) -> Any:
    from pydantic import ValidationError

    try:
        text = json.dumps(value)
        if isinstance(value, float) and not math.isfinite(value):
            raise WrongValueError("a finite number")
        return _adapter(annotation).validate_json(text, strict=True)
    except (ValidationError, TypeError):
        # Dates and times are TOML, but json and no component's setting: a TypeError.
        raise WrongValueError(expected(annotation)) from None


@lru_cache(maxsize=1024)
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    try:
        return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:
        # Models and dataclasses bring a configuration of their own.
        return TypeAdapter(annotation)


_PLAIN = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "true or false",
    Any: "a value",
}

_LIMITS = {
    "ge": "at least",
    "gt": "more than",
    "le": "at most",
    "lt": "less than",
    "multiple_of": "a multiple of",
}


def expected(annotation: Any) -> str:
    """Say in words what values a type has."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in (None, types.NoneType):
        return "nothing"
    if origin is Annotated:
        limits = [
            f", {words} {getattr(limit, name)}"
            for limit in arguments[1:]
            for name, words in _LIMITS.items()
            if getattr(limit, name, None) is not None
        ]
        return expected(arguments[0]) + "".join(limits)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(expected(a) for a in arguments if a is not types.NoneType)
    if origin is tuple and Ellipsis not in arguments:
        return f"a list of {len(arguments)} values ({'; '.join(map(expected, arguments))})"
    if _is_subclass(origin or annotation, Mapping):
        return "a table"
    if origin and _is_subclass(origin, Sequence | set | frozenset):
        return f"a list, each item {expected(arguments[0])}"
    return _PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _is_subclass(found: Any, of: Any) -> bool:
    return isinstance(found, type) and issubclass(found, of)


def is_table(annotation: Any) -> bool:
    """Return whether a setting's value may be a table of free keys."""
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return any(is_table(argument) for argument in get_args(annotation))
    return annotation is Any or _is_subclass(get_origin(annotation) or annotation, Mapping)
