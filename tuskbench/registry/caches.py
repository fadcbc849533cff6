"""What is remembered of installed packages and their files, and how to drop it."""

from tuskbench.registry import installed, rules, signatures, static


def forget() -> None:
    """Drop all that is remembered, for those who install or write modules while running."""
    static.forget()
    installed.forget()
    rules.forget()
    signatures.forget()
