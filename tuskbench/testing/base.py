"""What holds for a component of any kind: it is registered, readable and documented."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, ClassVar

from tuskbench import registry
from tuskbench.registry.parameters import Signature
from tuskbench.registry.values import checked

# Reads a component as `tuskbench list` and `plan` do, and tells what that imported.
_READ = """
import json, sys
from tuskbench import registry
kind, name = sys.argv[1:]
registry.signature(kind, name)
module = registry.find(kind, name).module
print(json.dumps({"torch": "torch" in sys.modules, "own": module in sys.modules}))
"""


def fresh_python(code: str, *arguments: str) -> Any:
    """Run code in a new interpreter and return the JSON that it prints.

    Raises:
        AssertionError: if it fails; the message ends with its error output.
    """
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


class ComponentConformance:
    """Checks for every kind.

    Attributes:
        kind: the component's kind, set by the class of that kind.
        name: the component's registered name, set by the test.
        settings: settings under which it is tested; small ones keep the tests fast.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    settings: ClassVar[Mapping[str, Any]] = {}

    @property
    def choice(self) -> dict[str, Any]:
        """Return the component's table as a spec would have it."""
        return {"name": self.name, **self.settings}

    @property
    def signature(self) -> Signature:
        """Return the component's signature."""
        return registry.signature(self.kind, self.name)

    def test_is_registered(self) -> None:
        """Its entry point names a class that is there, and no other package has the name."""
        entry = registry.find(self.kind, self.name)
        assert entry.state == "ok", entry.reason
        assert isinstance(registry.load_entry(entry), type)

    def test_signature_is_read_without_import(self) -> None:
        """Listing, describing and planning import neither the component nor torch."""
        if registry.find(self.kind, self.name).distribution == registry.THIS_PROCESS:
            return
        imported = fresh_python(_READ, self.kind, self.name)
        assert imported == {"torch": False, "own": False}

    def test_is_documented(self) -> None:
        """The class and each of its settings have a description, each setting a type."""
        assert self.signature.doc, "the class has no docstring"
        for parameter in self.signature.parameters:
            assert parameter.doc, f"{parameter.name} is not in the docstring's Args:"
            assert parameter.type_text != "any", f"{parameter.name} has no annotation"

    def test_defaults_have_their_types(self) -> None:
        """Every default is a value that a spec may give."""
        for parameter in self.signature.parameters:
            if parameter.component_kind is not None and not parameter.required:
                assert parameter.default is None or "name" in parameter.default
            elif not parameter.required:
                checked(parameter.annotation, parameter.default)

    def test_has_a_version(self) -> None:
        """Ids of cells hold the version of its behaviour, or that of its package."""
        assert registry.component_version(self.kind, self.name).rpartition(" ")[2] not in (
            "",
            "unknown",
        )
