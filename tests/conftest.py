"""Throw-away packages: what a stranger's `pip install` leaves on the import path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return a function that writes a package with its metadata and puts it on `sys.path`.

    Its arguments are the distribution's name, its modules (path to source), the text of its
    entry points, its version, and the name of the folder that it is put in.
    """

    def make(
        name: str,
        modules: Mapping[str, str],
        entry_points: str,
        version: str = "1.0",
        folder: str = "site",
    ) -> Path:
        site = tmp_path / folder
        for file, source in modules.items():
            path = site / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(source))
        info = site / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(dedent(entry_points))
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        _forget()
        return site

    before = set(sys.modules)
    yield make
    for module in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[module], "__file__", "")):
            del sys.modules[module]
    _forget()


def _forget() -> None:
    from tuskbench import registry

    importlib.invalidate_caches()
    registry.forget()


DEMO = {
    "demo/__init__.py": '"""A package of demonstration components."""\n',
    "demo/blur.py": '''
        """An encoder that must not be imported by who only asks about it."""
        from typing import Annotated, Literal

        from annotated_types import Ge

        raise RuntimeError("imported")


        class Blur:
            """Blur images.

            More on blurring.

            Args:
                channels: wired by the system.
                width: how wide, in pixels;
                    even or odd.
                kind: the kernel.
            """

            version = "7"

            def __init__(
                self, channels: int = 3, *, width: Annotated[int, Ge(1)] = 5,
                kind: Literal["box", "gauss"] = "box", sides: tuple[int, float] = (1, 0.5),
            ) -> None:
                pass
        ''',
    "demo/sharp.py": '''
        """Another encoder."""

        class Sharp:
            """Sharpen images."""

            def __init__(self, *, power: float, faithful_to: str = "code") -> None:
                self.power = power
        ''',
    "demo/system.py": '''
        """A system of one encoder."""
        from tuskbench.contracts import EncoderChoice, Faithful

        class Demo:
            """Do nothing.

            Args:
                encoder: the encoder.
                rate: learning rate.
            """

            provides = frozenset({"keypoints"})
            supervision = "none"
            settings = "rules.toml"

            def __init__(
                self, task, *, encoder: EncoderChoice = {"name": "blur", "width": 9},
                rate: float = 0.1, faithful_to: Faithful = "code",
            ) -> None:
                pass

        class Other:
            """Do nothing else."""

            provides = frozenset({"masks"})

            def __init__(self, task, *, depth: int = 2) -> None:
                pass
        ''',
    "demo/task.py": '''
        """Two tasks without data."""
        from typing import Annotated, Literal

        from annotated_types import Ge

        from tuskbench.contracts import MetricInfo, Task
        from tuskbench.errors import ConfigurationError, DataMissingError

        class Dots(Task):
            """Find dots.

            Args:
                canvas: side of the images in pixels.
                source: where the dots come from.
            """

            name = "dots"
            protocol = "dots 1"
            needs = frozenset({"keypoints"})
            metrics = {"found": MetricInfo("share of dots found"), "both": MetricInfo("all")}
            settings = "rules.toml"
            version = "3"

            def __init__(self, *, canvas: Annotated[int, Ge(1)] = 64,
                         source: Literal["auto", "disk"] = "auto") -> None:
                if canvas % 2:
                    raise ConfigurationError("dots", "canvas", canvas, "an even number")
                self.canvas, self.source = canvas, source

            def source_key(self):
                return "paper" if self.source == "auto" else "ink"

            def data_source(self):
                if self.source == "disk":
                    raise DataMissingError("dots", "no /dots folder", "draw some")
                return "dots (drawn)"

            def fingerprint(self):
                return f"dots-{self.canvas}"

            def info(self): ...
            def split(self, name): ...
            def evaluate(self, predict): ...

        class Lines(Dots):
            """Find lines."""

            name = "lines"
            protocol = "lines 1"
            needs = frozenset({"keypoints", "labels"})
            settings = ""
        ''',
    "demo/rules.toml": """
        [[settings]]
        set = { "system.rate" = 0.2, "training.steps" = 700 }
        [[settings]]
        task = "dots"
        budget = "cpu"
        set."training.steps" = 30
        set."system.encoder[blur].width" = 4
        set."system.encoder[sharp].power" = 2.0
        [[settings]]
        source = "paper"
        set = { "training.batch_size" = 3 }
        """,
}

DEMO_POINTS = """
    [tuskbench.encoders]
    blur = demo.blur:Blur
    sharp = demo.sharp:Sharp
    [tuskbench.systems]
    demo = demo.system:Demo
    other = demo.system:Other
    [tuskbench.tasks]
    dots = demo.task:Dots
    lines = demo.task:Lines
    """


@pytest.fixture
def demo(install: Install) -> Path:
    """Install the demonstration package and return its folder."""
    return install("demo-package", DEMO, DEMO_POINTS, version="2.5")
