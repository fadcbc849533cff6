"""Components by kind and name: found in entry points without import, loaded on use."""

from tuskbench.registry.build import build, component_version, signature
from tuskbench.registry.caches import forget
from tuskbench.registry.entry import GROUPS, KINDS, THIS_PROCESS, Entry
from tuskbench.registry.lookup import entries, find, load, load_entry
from tuskbench.registry.session import Registration, register

__all__ = [
    "GROUPS",
    "KINDS",
    "THIS_PROCESS",
    "Entry",
    "Registration",
    "build",
    "component_version",
    "entries",
    "find",
    "forget",
    "load",
    "load_entry",
    "register",
    "signature",
]
