"""The executor that docs/plugins.md shows, installed as a stranger would install it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest

import tuskbench
from tuskbench.testing import ExecutorConformance

DOCS = Path(__file__).parents[2] / "docs" / "plugins.md"


class TestTheDocumentedExecutor(ExecutorConformance):
    name = "one-by-one"
    settings: ClassVar[dict[str, Any]] = {"nice": 1}

    @pytest.fixture(autouse=True)
    def _installed(self, install: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        blocks = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
        (source,) = (block for block in blocks if "class OneByOne" in block)
        modules = {"outside/__init__.py": "", "outside/one.py": source}
        points = "[tuskbench.executors]\none-by-one = outside.one:OneByOne\n"
        site = install("outside", modules, points)
        here = Path(tuskbench.__file__).parents[1]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, (site, here))))
