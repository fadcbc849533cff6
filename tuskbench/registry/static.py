"""Reading modules without running them: where they are, what they import, what they hold."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StaticError(Exception):
    """Something that cannot be told from source alone; the message says what."""


@dataclass(frozen=True)
class SourceModule:
    """A parsed Python file.

    Attributes:
        name: dotted module name.
        file: path of the source.
        tree: its syntax tree.
        package: dotted name that relative imports start from.
    """

    name: str
    file: Path
    tree: ast.Module
    package: str


def path_key() -> tuple[str, ...]:
    """Return what cached look-ups depend on: the import path as it is now."""
    return tuple(sys.path)


def find_module(name: str) -> ModuleSpec | None:
    """Return where a module is, executing neither it nor its parent packages."""
    return _find_module(name, path_key())


@lru_cache(maxsize=2048)
def _find_module(name: str, key: tuple[str, ...]) -> ModuleSpec | None:
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if loaded is not None:
        return loaded if isinstance(loaded, ModuleSpec) else None
    parent, _, tail = name.rpartition(".")
    if not tail:
        return None
    path: list[str] | None = None
    if parent:
        path = _locations(parent, key)
        if path is None:
            return None
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        try:
            spec = find_spec(name, path, None) if find_spec else None
        except KeyError:
            return _namespace(name, path or [])
        if isinstance(spec, ModuleSpec):
            return spec
    return None


def _namespace(name: str, path: list[str]) -> ModuleSpec | None:
    # A namespace package wants its parent in sys.modules; it is but the folders of its name.
    folders = [Path(place, name.rpartition(".")[2]) for place in path]
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder) for folder in folders if folder.is_dir()]
    return spec if spec.submodule_search_locations else None


@lru_cache(maxsize=512)
def _locations(package: str, key: tuple[str, ...]) -> list[str] | None:
    spec = _find_module(package, key)
    if spec is None or spec.submodule_search_locations is None:
        return None
    return list(spec.submodule_search_locations)


def read_module(name: str) -> SourceModule:
    """Return the parsed source of a module.

    Raises:
        StaticError: if there is no such module, it has no source, or it does not parse.
    """
    spec = find_module(name)
    if spec is None:
        raise StaticError(f"module {name} is not found")
    if not spec.has_location or spec.origin is None or not spec.origin.endswith(".py"):
        raise StaticError(f"module {name} has no Python source")
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    return SourceModule(name, Path(spec.origin), _parse(spec.origin), package)


@lru_cache(maxsize=512)
def _parse(file: str) -> ast.Module:
    try:
        return ast.parse(Path(file).read_bytes(), filename=file)
    except SyntaxError as error:
        raise StaticError(f"syntax error in {file}, line {error.lineno}: {error.msg}") from None
    except (OSError, ValueError) as error:
        raise StaticError(f"{file} cannot be read: {error}") from None


def forget() -> None:
    """Drop everything remembered of files, for those that write modules while running."""
    _find_module.cache_clear()
    _locations.cache_clear()
    _parse.cache_clear()


def imported_modules(module: SourceModule) -> Iterator[tuple[str, int]]:
    """Yield the dotted name and line of every unconditional top-level import."""
    for node in module.tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            name = _absolute(module, node)
            if name:
                yield name, node.lineno


def missing_import(module: SourceModule) -> str | None:
    """Return a sentence on the first top-level import that cannot be found, if any.

    Below a foreign package only the package itself is looked for: it may make its
    submodules while it is imported.
    """
    own = {module.name.partition(".")[0], "tuskbench"}
    for name, line in imported_modules(module):
        top = name.partition(".")[0]
        wanted = name if top in own else top
        if find_module(wanted) is None:
            return f"{module.file.name}, line {line} imports {wanted}, which is not installed"
    return None


def _absolute(module: SourceModule, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def bindings(module: SourceModule) -> dict[str, ast.stmt]:
    """Return the top-level statement that binds each name, the last one winning."""
    found: dict[str, ast.stmt] = {}
    for node in _top_level(module.tree.body):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found.update({t.id: node for t in node.targets if isinstance(t, ast.Name)})
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = node
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = node
    return found


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        if isinstance(node, ast.If):
            yield from _top_level(node.orelse)
            yield from _top_level(node.body)
        elif isinstance(node, ast.Try):
            for handler in node.handlers:
                yield from _top_level(handler.body)
            yield from _top_level(node.body)


def import_source(module: SourceModule, node: ast.stmt, name: str) -> tuple[str, str]:
    """Return the module and, in it, the attribute (or "") that an import binds to `name`."""
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if (alias.asname or alias.name) == name:
                return _absolute(module, node), alias.name
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.asname == name:
                return alias.name, ""
            if alias.asname is None and alias.name.partition(".")[0] == name:
                return name, ""
    raise StaticError(f"{name} is not imported in {module.name}")


def find_class(module_name: str, attribute: str) -> tuple[SourceModule, ast.ClassDef]:
    """Return the class that `module:attribute` names, following re-exports.

    Raises:
        StaticError: if it is not there, or not a class statement.
    """
    for _ in range(8):
        module = read_module(module_name)
        head, *rest = attribute.split(".")
        node = bindings(module).get(head)
        if node is None:
            raise StaticError(f"{module.file.name} has no {head!r}")
        if isinstance(node, ast.Import | ast.ImportFrom):
            source, original = import_source(module, node, head)
            module_name, attribute = source, ".".join([*([original] if original else []), *rest])
            if not attribute:
                break
            continue
        for part in rest:
            inner = [n for n in getattr(node, "body", []) if isinstance(n, ast.ClassDef)]
            node = next((n for n in inner if n.name == part), None)
        if isinstance(node, ast.ClassDef):
            return module, node
        break
    raise StaticError(f"{module_name}:{attribute} is not a class statement")
