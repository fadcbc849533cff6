"""Types and constants evaluated from the source of a module that is not imported."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Optional, Union

import annotated_types

from tuskbench.contracts import Faithful
from tuskbench.registry import static

CHOICES = {
    "EncoderChoice": "encoder",
    "HeadChoice": "head",
    "DecoderChoice": "decoder",
    "RegularizerChoice": "regularizer",
    "ReconstructionChoice": "reconstruction",
}
"""Kind of the nested component behind each annotation of `contracts`."""

_NAMESPACE: dict[str, Any] = {
    "__builtins__": {},
    **{t.__name__: t for t in (int, float, str, bool, tuple, list, dict, set, frozenset)},
    **dict.fromkeys(CHOICES, Mapping[str, Any]),
    **{name: getattr(annotated_types, name) for name in ("Ge", "Gt", "Le", "Lt", "MultipleOf")},
    "annotated_types": annotated_types,
    "None": None,
    "Literal": Literal,
    "Annotated": Annotated,
    "Optional": Optional,
    "Union": Union,
    "Mapping": Mapping,
    "Sequence": Sequence,
    "Any": Any,
    "Faithful": Faithful,
}


def read_annotation(node: ast.expr | None, module: static.SourceModule | None) -> tuple[str, Any]:
    """Return an annotation as written and as a type; `Any` where that cannot be told."""
    if node is None:
        return "any", Any
    try:
        return ast.unparse(node), evaluate(node, module)
    except NameError:
        return ast.unparse(node), Any


def component_kind(node: ast.expr | None) -> str | None:
    """Return the kind of component that an annotation stands for, if it does."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} if node else set()
    names |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)} if node else set()
    return next((CHOICES[name] for name in sorted(names) if name in CHOICES), None)


def evaluate(node: ast.expr, module: static.SourceModule | None, depth: int = 0) -> Any:
    """Evaluate an expression of literals, types and the module's own constants.

    Raises:
        NameError: if it needs anything else.
    """
    namespace = dict(_NAMESPACE)
    bound = static.bindings(module) if module else {}
    for name in {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}:
        statement = bound.get(name)
        if name in namespace or statement is None or depth > 4:
            continue
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
            namespace[name] = evaluate(statement.value, module, depth + 1)
        elif isinstance(statement, ast.ImportFrom) and module is not None:
            namespace[name] = _imported(module, statement, name, depth)
    code = compile(ast.Expression(node), "<component>", "eval")
    try:
        return eval(code, namespace)  # The source of an installed package, without builtins.
    except Exception as error:
        raise NameError(str(error)) from None


def _imported(module: static.SourceModule, node: ast.ImportFrom, name: str, depth: int) -> Any:
    source, attribute = static.import_source(module, node, name)
    if attribute in _NAMESPACE:
        return _NAMESPACE[attribute]
    try:
        other = static.read_module(source)
        statement = static.bindings(other).get(attribute)
    except static.StaticError as error:
        raise NameError(str(error)) from None
    if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value is not None:
        return evaluate(statement.value, other, depth + 1)
    raise NameError(f"{name} is not a constant")
