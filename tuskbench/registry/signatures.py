"""What a component takes, needs and provides, read from its source without importing it.

Only keyword-only parameters of `__init__` are settings; positional ones are wired by whoever
builds the component. Where source cannot tell (no source, a dataclass, a class registered in
this process, a base class that cannot be followed) the component is imported and inspected.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from tuskbench.errors import BrokenComponentError
from tuskbench.registry import static
from tuskbench.registry.annotations import CHOICES, component_kind, evaluate, read_annotation
from tuskbench.registry.docstrings import argument_docs, without_arguments
from tuskbench.registry.entry import THIS_PROCESS, Entry
from tuskbench.registry.importing import check_import
from tuskbench.registry.lookup import load_entry
from tuskbench.registry.parameters import MISSING, Parameter, Signature

_BARE_BASES = {"torch", "abc", "typing", "builtins", "typing_extensions", "collections"}


def of_entry(entry: Entry) -> Signature:
    """Return the signature of a registered component.

    Raises:
        BrokenComponentError: if its source does not parse and it cannot be imported.
    """
    if entry.distribution == THIS_PROCESS:
        return _inspected(load_entry(entry))
    return _of_installed(entry)


@lru_cache(maxsize=512)
def _of_installed(entry: Entry) -> Signature:
    if entry.problem:
        raise BrokenComponentError(entry.kind, entry.name, entry.distribution, entry.problem)
    try:
        return _from_source(*static.find_class(entry.module, entry.attribute))
    except static.StaticError:
        check_import(entry)
        return _inspected(load_entry(entry))


def forget() -> None:
    """Drop the signatures that were read, for those that write modules while running."""
    _of_installed.cache_clear()


Located = tuple[static.SourceModule, ast.ClassDef]


def _from_source(module: static.SourceModule, node: ast.ClassDef) -> Signature:
    chain = [(module, node), *_bases(module, node)]
    docstring = ast.get_docstring(node) or ""
    parameters, is_open, docs = _parameters(chain)
    described = {**docs, **argument_docs(docstring)}
    constants = _class_constants(chain)
    return Signature(
        doc=without_arguments(docstring),
        parameters=tuple(
            _parameter(at, argument, default, described.get(argument.arg, ""))
            for at, argument, default in parameters
        ),
        source=f"{module.file}:{node.lineno}",
        settings_module=constants.pop("settings_module", ""),
        open=is_open,
        **_attributes(constants.get),
    )


def _attributes(get: Callable[[str], Any]) -> dict[str, Any]:
    return {
        **{name: frozenset(get(name) or ()) for name in ("provides", "needs")},
        **{name: str(get(name) or "") for name in ("supervision", "version", "settings")},
    }


def _bases(module: static.SourceModule, node: ast.ClassDef) -> Iterator[Located]:
    for decorator in node.decorator_list:
        if "dataclass" in ast.unparse(decorator):
            raise static.StaticError(f"{node.name} is a dataclass")
    for base in node.bases:
        dotted = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        head, _, rest = dotted.partition(".")
        bound = static.bindings(module).get(head)
        if isinstance(bound, ast.ClassDef):
            source, attribute = module.name, dotted
        elif isinstance(bound, ast.Import | ast.ImportFrom):
            source, original = static.import_source(module, bound, head)
            attribute = ".".join(part for part in (original, rest) if part)
        elif bound is None and head in ("object", "Exception"):
            continue
        else:
            raise static.StaticError(f"base {dotted} of {node.name} cannot be followed")
        if source.partition(".")[0] in _BARE_BASES:
            continue
        located = static.find_class(source, attribute)
        yield located
        yield from _bases(*located)


def _parameters(
    chain: list[Located],
) -> tuple[list[tuple[static.SourceModule, ast.arg, ast.expr | None]], bool, dict[str, str]]:
    """Return keyword-only parameters along the bases, for as long as **keywords pass on."""
    found: dict[str, tuple[static.SourceModule, ast.arg, ast.expr | None]] = {}
    docs: dict[str, str] = {}
    is_open = False
    for module, node in chain:
        methods = (n for n in node.body if isinstance(n, ast.FunctionDef))
        init = next((m for m in methods if m.name == "__init__"), None)
        if init is None:
            continue
        own = argument_docs(ast.get_docstring(init) or "")
        docs = {**argument_docs(ast.get_docstring(node) or ""), **own, **docs}
        for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
            found.setdefault(argument.arg, (module, argument, default))
        is_open = init.args.kwarg is not None
        if not is_open:
            break
    return list(found.values()), is_open, docs


def _parameter(
    module: static.SourceModule, argument: ast.arg, default: ast.expr | None, doc: str
) -> Parameter:
    annotation = argument.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        annotation = ast.parse(annotation.value, mode="eval").body
    value: Any = MISSING
    if default is not None:
        try:
            value = evaluate(default, module)
        except NameError as error:
            raise static.StaticError(f"default of {argument.arg}: {error}") from None
    return Parameter(
        argument.arg,
        *read_annotation(annotation, module),
        default=value,
        doc=doc,
        component_kind=component_kind(annotation),
    )


def _class_constants(chain: list[Located]) -> dict[str, Any]:
    wanted = ("provides", "needs", "supervision", "version", "settings")
    found: dict[str, Any] = {}
    for module, node in chain:
        for statement in node.body:
            if isinstance(statement, ast.Assign):
                names = [t.id for t in statement.targets if isinstance(t, ast.Name)]
            elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                names = [statement.target.id]
            else:
                continue
            for name in names:
                if name in wanted and name not in found and statement.value is not None:
                    try:
                        found[name] = evaluate(statement.value, module)
                    except NameError as error:
                        raise static.StaticError(f"{name} is computed: {error}") from None
                    if name == "settings":
                        found["settings_module"] = str(module.file)
    return found


def _inspected(cls: type[Any]) -> Signature:
    docstring = inspect.getdoc(cls) or ""
    init: Any = cls.__init__
    try:
        declared = inspect.signature(init).parameters.values()
    except (TypeError, ValueError):
        declared = ()  # type: ignore[assignment]
    docs = {**argument_docs(docstring), **argument_docs(inspect.getdoc(init) or "")}
    try:
        source = f"{inspect.getsourcefile(cls)}:{inspect.getsourcelines(cls)[1]}"
    except (OSError, TypeError):
        source = f"{cls.__module__}:0"
    return Signature(
        doc=without_arguments(docstring),
        parameters=tuple(
            _inspected_parameter(p, docs) for p in declared if p.kind is p.KEYWORD_ONLY
        ),
        source=source,
        settings_module=_settings_module(cls),
        open=any(p.kind is p.VAR_KEYWORD for p in declared) and init is not object.__init__,
        **_attributes(lambda name: getattr(cls, name, None)),
    )


def _settings_module(cls: type[Any]) -> str:
    """Return the file of the module whose class names the rules, which a subclass inherits."""
    for base in cls.__mro__:
        if "settings" in vars(base):
            try:
                return inspect.getsourcefile(base) or ""
            except TypeError:
                return ""
    return ""


def _inspected_parameter(parameter: inspect.Parameter, docs: Mapping[str, str]) -> Parameter:
    default = MISSING if parameter.default is parameter.empty else parameter.default
    name, annotation = parameter.name, parameter.annotation
    kind: str | None = None
    if annotation is parameter.empty:
        text, annotation = "any", Any
    elif isinstance(annotation, str):
        node = ast.parse(annotation, mode="eval").body
        text, annotation = read_annotation(node, None)
        kind = component_kind(node)
    else:
        text = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if kind is None and name in CHOICES.values() and annotation == Mapping[str, Any]:
        # The choices of `contracts` are one and the same type once they are evaluated.
        kind = name
    return Parameter(name, text, annotation, default, docs.get(name, ""), kind)
