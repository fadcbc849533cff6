"""`tuskbench describe`: what a component takes, needs and provides, and where its source is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tuskbench import registry
from tuskbench.cli.options import Kind, echo_json
from tuskbench.errors import TuskbenchError

if TYPE_CHECKING:
    from tuskbench.registry.parameters import Parameter, Signature


@click.command("describe")
@click.argument("kind", type=Kind())
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def describe_command(kind: str, name: str, as_json: bool) -> None:
    """Show the parameters of the component NAME of KIND, with types, defaults and docs."""
    entry = registry.find(kind, name)
    signature = registry.signature(kind, name)
    content = _content(entry, signature)
    if as_json:
        echo_json(content)
    else:
        click.echo(_text(content))


def _content(entry: registry.Entry, signature: Signature) -> dict[str, Any]:
    content: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "doc": signature.doc,
        "distribution": entry.distribution,
        "version": entry.version,
        "component_version": registry.component_version(entry.kind, entry.name),
        "state": entry.state,
        "reason": entry.reason,
        "target": entry.target,
        "source": signature.source,
        "provides": sorted(signature.provides),
        "needs": sorted(signature.needs),
        "supervision": signature.supervision,
        "accepts_other_keywords": signature.open,
        "parameters": [_parameter(parameter) for parameter in signature.parameters],
    }
    if entry.kind == "task":
        content.update(_of_task(entry))
    return content


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "type": parameter.type_text,
        "required": parameter.required,
        "default": None if parameter.required else _plain(parameter.default),
        "component": parameter.component_kind,
        "doc": parameter.doc,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _of_task(entry: registry.Entry) -> dict[str, Any]:
    # Task modules are light, and their metrics are objects that only import makes.
    try:
        task = registry.load("task", entry.name)
    except TuskbenchError:
        return {}
    return {
        "protocol": task.protocol,
        "metrics": {name: info.doc for name, info in task.metrics.items()},
    }


def _text(content: dict[str, Any]) -> str:
    from tabulate import tabulate

    facts = {
        "package": f"{content['distribution']} {content['version']}",
        "component version": content["component_version"],
        "state": ": ".join(part for part in (content["state"], content["reason"]) if part),
        "source": content["source"],
        "protocol": content.get("protocol", ""),
        "provides": ", ".join(content["provides"]),
        "needs": ", ".join(content["needs"]),
        "supervision": content["supervision"],
    }
    blocks = [
        f"{content['kind']} {content['name']}",
        content["doc"],
        tabulate([(k, v) for k, v in facts.items() if v], tablefmt="plain"),
    ]
    if content["parameters"]:
        blocks.append(tabulate(_rows(content["parameters"]), headers="keys"))
    else:
        blocks.append("It has no parameters.")
    if content["accepts_other_keywords"]:
        blocks.append("It passes other keywords on.")
    if content.get("metrics"):
        pairs = list(content["metrics"].items())
        blocks.append(tabulate(pairs, headers=["metric", "doc"]))
    return "\n\n".join(block for block in blocks if block)


def _rows(parameters: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "parameter": p["name"],
            "type": p["type"],
            "default": "(required)" if p["required"] else repr(p["default"]),
            "doc": p["doc"],
        }
        for p in parameters
    ]
