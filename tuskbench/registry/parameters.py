"""What can be said of a component before it is made: its settings, needs and provisions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final


class _Missing:
    def __repr__(self) -> str:
        return "required"


MISSING: Final = _Missing()
"""The default of a parameter that has none."""


@dataclass(frozen=True)
class Parameter:
    """One setting of a component.

    Attributes:
        name: the keyword.
        type_text: its annotation as written.
        annotation: its annotation as a type; `Any` where that cannot be told.
        default: its default, or `MISSING`.
        doc: its line of the docstring's `Args:`.
        component_kind: kind of the component that its value describes, if it does.
    """

    name: str
    type_text: str
    annotation: Any
    default: Any = MISSING
    doc: str = ""
    component_kind: str | None = None

    @property
    def required(self) -> bool:
        """Return whether there is no default."""
        return self.default is MISSING


@dataclass(frozen=True)
class Signature:
    """What can be said of a component before it is made.

    Attributes:
        doc: the class's docstring, without its `Args:`.
        parameters: its settings.
        provides: what a system predicts.
        needs: what a task wants of a system.
        supervision: what a system learns from besides images.
        version: version of its behaviour, or "".
        settings: name of its file of rules, or "".
        settings_module: the module file beside which that is; "" for that of `source`.
        source: `file:line`.
        open: whether it takes keywords beyond `parameters`.
    """

    doc: str = ""
    parameters: tuple[Parameter, ...] = ()
    provides: frozenset[str] = frozenset()
    needs: frozenset[str] = frozenset()
    supervision: str = ""
    version: str = ""
    settings: str = ""
    settings_module: str = ""
    source: str = ""
    open: bool = False

    def parameter(self, name: str) -> Parameter | None:
        """Return the parameter of that name, if there is one."""
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def settings_file(self) -> Path | None:
        """Return the path of the file of rules, if the component has one."""
        if not self.settings:
            return None
        module = self.settings_module or self.source.rpartition(":")[0]
        return Path(module).parent / self.settings
