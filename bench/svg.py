"""A few lines of SVG: labelled bars and a line, plain text, readable on light and dark ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, LINE, HEAD = 720, 210, 22, 34
STYLE = """
  text { font: 12px ui-sans-serif, system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 13px } .note { fill: #57606a }
  .other { fill: #8c959f } .own { fill: #1f6feb }
  path { fill: none; stroke: #1f6feb; stroke-width: 2 } line { stroke: #d0d7de }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 } .other { fill: #6e7681 } .own { fill: #4493f8 }
    path { stroke: #4493f8 } line { stroke: #3d444d }
  }"""


@dataclass(frozen=True)
class Bar:
    """A bar: what, how much, what to write behind it, and whether it is ours."""

    label: str
    value: float
    text: str
    own: bool


def bars(title: str, note: str, values: Sequence[Bar]) -> tuple[str, int]:
    """A group of bars from zero, as SVG without its frame, and its height."""
    most = max(bar.value for bar in values)
    made = [_text(0, 14, title, "title"), _text(WIDTH, 14, note, "note", "end")]
    for number, bar in enumerate(values):
        y = HEAD + number * LINE
        wide = (WIDTH - LABEL - 170) * bar.value / most
        made.append(_text(LABEL - 8, y + 9, bar.label, "", "end"))
        made.append(
            f'<rect class="{"own" if bar.own else "other"}" x="{LABEL}" y="{y - 3}" '
            f'width="{max(wide, 1):.1f}" height="15" rx="2"/>'
        )
        made.append(_text(LABEL + wide + 7, y + 9, bar.text, ""))
    return "\n".join(made), HEAD + len(values) * LINE + 12


def curve(
    title: str, note: str, points: Sequence[tuple[float, float, str, str]], least: float = 0.0
) -> tuple[str, int]:
    """A line over a logarithmic axis: (x, y, label of x, label of y) a point;
    the vertical axis begins at `least`.
    """
    high = 110
    made = [_text(0, 14, title, "title"), _text(WIDTH, 14, note, "note", "end")]
    most = max(y for _, y, _, _ in points) * 1.25
    low, top = math.log(points[0][0]), math.log(points[-1][0])
    span = (top - low) or 1.0
    places = []
    for x, y, below, beside in points:
        left = 90 + (WIDTH - 180) * (math.log(x) - low) / span
        up = HEAD + high - high * (y - least) / (most - least)
        places.append((left, up))
        made.append(f'<circle class="own" cx="{left:.1f}" cy="{up:.1f}" r="3.5"/>')
        made += [
            _text(left, up - 9, beside, "", "middle"),
            _text(left, HEAD + high + 17, below, "note", "middle"),
        ]
    made.insert(2, f'<line x1="0" x2="{WIDTH}" y1="{HEAD + high}" y2="{HEAD + high}"/>')
    if len(places) > 1:
        made.insert(3, f'<path d="M {" L ".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>')
    return "\n".join(made), HEAD + high + 34


def page(about: str, groups: Sequence[tuple[str, int]]) -> str:
    """Groups one below the other as one SVG document."""
    made, y = [], 12
    for body, height in groups:
        made.append(f'<g transform="translate(12 {y})">\n{body}\n</g>')
        y += height + 10
    made.append(f'<g transform="translate(12 {y})">{_text(0, 10, about, "note")}</g>')
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 24} {y + 26}" role="img" '
        f'aria-label="{escape(about)}">'
    )
    return "\n".join([frame, f"<style>{STYLE}\n</style>", *made, "</svg>", ""])


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
