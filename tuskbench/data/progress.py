"""A progress bar on a terminal, and a line at the beginning anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress


@contextmanager
def bar(title: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show how far a long piece of work is, on stderr.

    Args:
        title: what is being done.
        total: how much there is to do, or None where that is unknown.

    Yields:
        A function to tell how much is done.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        console.print(f"{title} ...", markup=False, highlight=False, soft_wrap=True)
        yield lambda done: None
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)
