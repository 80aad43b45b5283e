"""Untrusted text made safe to print: it cannot drive a terminal, reverse direction or imitate our lines."""

from __future__ import annotations


def clean(text: str) -> str:
    """Text without control characters, so that no name in a file can drive a terminal; line ends stay."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)
    )


def one_line(text: str) -> str:
    """`clean` without line ends either: a text of a file cannot pass for a line of ours."""
    return (
        text
        if text.isprintable()
        else "".join(char if char.isprintable() else _escaped(char) for char in text)
    )


def _escaped(char: str) -> str:
    return ascii(char)[1:-1]  # no codec: loading one opens a file, here in the midst of somebody else's
