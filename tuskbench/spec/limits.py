"""How large a spec and its parts may be, so that every refusal is quick and says its limit."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

LARGEST_FILE = 256 << 10
MOST_VALUES = 10_000
DEEPEST = 32
LONGEST_KEY = 200
MOST_SEEDS = 1000
MOST_CELLS = 10_000
LONGEST_TEXT = 10_000
LARGEST_INTEGER = 2**63 - 1

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
# tomllib takes time in the square of a dotted key's parts.
_DEEP_KEY = re.compile(rf"(?<![\w.\"'-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{{DEEPEST}}}")


class LimitError(ValueError):
    """Something is larger than its limit; the message names both."""


def parse(text: str) -> dict[str, Any]:
    """Return the content of a TOML text within the limits.

    Raises:
        LimitError: if it is beyond a limit.
        tomllib.TOMLDecodeError: if it is no TOML.
    """
    if _DEEP_KEY.search(text):
        raise LimitError(f"a key of more than {DEEPEST} parts; at most {DEEPEST} are read")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError:
        raise LimitError(f"nested too deeply; at most {DEEPEST} levels are read") from None
    except ValueError:
        # Python refuses to convert integers of more than 4300 digits.
        raise LimitError(f"an integer is beyond the largest, {LARGEST_INTEGER}") from None
    check(content)
    return content


def check(content: Any) -> None:
    """Check the depth, the number of values, the integers and the keys of a content.

    Raises:
        LimitError: if one is beyond its limit.
    """
    waiting, values = [(content, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        values += 1
        if values > MOST_VALUES:
            raise LimitError(f"more than {MOST_VALUES} values; at most {MOST_VALUES} are read")
        if depth > DEEPEST:
            raise LimitError(f"nested more than {DEEPEST} deep; at most {DEEPEST} levels are read")
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            raise LimitError(f"an integer is beyond the largest, {LARGEST_INTEGER}")
        if isinstance(value, Mapping):
            for key in value:
                if len(key) > LONGEST_KEY:
                    raise LimitError(f"a key of {len(key)} characters; at most {LONGEST_KEY}")
            waiting += [(each, depth + 1) for each in value.values()]
        elif isinstance(value, list):
            waiting += [(each, depth + 1) for each in value]


def check_seeds(seeds: Sequence[int]) -> None:
    """Check the number and the size of seeds.

    Raises:
        LimitError: if there are too many, or one is too large.
    """
    if len(seeds) > MOST_SEEDS:
        raise LimitError(f"{len(seeds)} seeds; at most {MOST_SEEDS} are planned")
    if any(seed > LARGEST_INTEGER for seed in seeds):
        raise LimitError(f"a seed is beyond the largest, {LARGEST_INTEGER}")


def check_cells(variants: int, sweep: Mapping[str, Sequence[Any]], others: int) -> None:
    """Check how many cells a spec can have, before any of them is made.

    Args:
        variants: number of variants.
        sweep: the values of every swept key.
        others: number of tasks times number of seeds.

    Raises:
        LimitError: if there are too many.
    """
    count = variants * others
    for values in sweep.values():
        count *= len(values)
    if count > MOST_CELLS:
        told = f"{count}" if count < 10**15 else "more than 10^15"
        raise LimitError(f"{told} cells; at most {MOST_CELLS} are planned")
