"""The few shapes that the report's drawings are made of."""

from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Box:
    """A rectangle of a drawing: left, right, top and bottom."""

    x1: float
    x2: float
    y1: float
    y2: float


def rect(kind: str, box: Box, title: str = "") -> str:
    """A rectangle of a class; with a title if it is pointed at."""
    width, height = box.x2 - box.x1, box.y2 - box.y1
    shape = f'<rect class="{kind}" x="{box.x1:.1f}" y="{box.y1:.1f}" width="{width:.1f}" height="{height:.1f}"'
    return f"{shape}><title>{escape(title)}</title></rect>" if title else f"{shape}/>"


def line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """A straight line of a class."""
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def text(kind: str, x: float, y: float, words: str) -> str:
    """Words of a class, at their base line."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'
