"""The hard season made short: all its faults, each as long as it must be to show, in a third of its days."""

from pathlib import Path

WHOLE = Path(__file__).parents[2] / "gateway_sim" / "scenarios" / "hard-season.yaml"
EARLIER = {
    "days: 10": "days: 3",
    "soil-a, from: 1d, until: 3d": "soil-a, from: 12h, until: 1d 12h",
    "from: 2d, until: 5d": "from: 1d, until: 2d 12h",
    "soil-c, from: 1d": "soil-c, from: 12h",
    "from: 3d, until: 5d": "from: 1d 12h, until: 2d 12h",
    "soil-b, from: 1d, until: 4d": "soil-b, from: 12h, until: 2d",
    "from: 4d, until: 5d 12h": "from: 1d 12h, until: 2d 6h",
    "from: 5d, until: 7d": "from: 1d 12h, until: 2d 12h",
    "plot-3c, from: 1d, until: 4d": "plot-3c, from: 12h, until: 2d 12h",
    "plot-1c, from: 2d": "plot-1c, from: 1d",
    "plot-3b, from: 1d, until: 6d": "plot-3b, from: 12h, until: 2d 12h",
    "from: 1d 0h 7m, until: 2d 0h 7m": "from: 12h 7m, until: 1d 0h 7m",
    "from: 3d 6h 7m": "from: 1d 6h 7m",
    "from: 4d 5h 7m, until: 4d 19h 7m": "from: 1d 19h 7m, until: 2d 9h 7m",
    "gateway-6, from: 1d, until: 3d": "gateway-6, from: 12h, until: 2d",
}


def short_season(folder: Path) -> Path:
    """Write its scenario, under the name of the whole; gives the path."""
    text = WHOLE.read_text()
    for late, early in EARLIER.items():
        assert text.count(late) == 1, late
        text = text.replace(late, early)
    path = folder / WHOLE.name
    path.write_text(text)
    return path
