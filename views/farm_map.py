"""The map of the farm as inline SVG: zones by their state, gateways by their kind, troubles marked. In metres."""

from collections.abc import Sequence
from html import escape

from views.events import Document
from views.language import Language
from views.plots import anchor
from views.svg import Box, line, rect, text
from views.trouble import Trouble
from views.zone_chart import Plot

MARGIN = 0.04  # of the longer side
LETTERS, MOST_LETTERS = 0.46, 0.032  # of the smallest side of any zone, of the farm's width
MOST_LABELS = 120  # more zones than that are too small to be named
KINDS = ("simulated", "process")  # of gateways that are programs; a board needs no words
SCALE_BARS_M = (500, 200, 100, 50, 20, 10)


def farm_map(layout: Document, plots: Sequence[Plot], troubles: Sequence[Trouble], language: Language) -> str:
    """Every zone is a link to its card. `layout` gives places in metres, y to the south."""
    plot_of = {plot.zone["zone_id"]: plot for plot in plots}
    zones = [zone for zone in layout["zones"] if zone["zone_id"] in plot_of]
    if not zones:
        return ""
    size = _letter_m(zones)
    view = _view(layout, size)
    names = _short_names([zone["zone_id"] for zone in zones])
    parts = [_pipes(layout)]
    parts += [_zone(zone, plot_of[zone["zone_id"]], names[zone["zone_id"]], size, language) for zone in zones]
    parts += [_gateway(gateway, troubles, size, language) for gateway in layout["gateways"]]
    parts.append(_scale(view, size, language))
    name = language.say(
        "map_name",
        plots=language.count(len(zones), "plot"),
        gateways=language.count(len(layout["gateways"]), "gateway"),
    )
    box = f"{view.x1:.1f} {view.y1:.1f} {view.x2 - view.x1:.1f} {view.y2 - view.y1:.1f}"
    return f'<svg class="map" viewBox="{box}" role="group" aria-label="{escape(name)}">{"".join(parts)}</svg>'


def _view(layout: Document, size: float) -> Box:
    lefts = [zone["x_m"] for zone in layout["zones"]] + [gateway["x_m"] for gateway in layout["gateways"]]
    tops = [zone["y_m"] for zone in layout["zones"]] + [gateway["y_m"] for gateway in layout["gateways"]]
    rights = [zone["x_m"] + zone["width_m"] for zone in layout["zones"]] + lefts
    bottoms = [zone["y_m"] + zone["height_m"] for zone in layout["zones"]] + tops
    margin = max(size, MARGIN * max(max(rights) - min(lefts), max(bottoms) - min(tops)))
    return Box(min(lefts) - margin, max(rights) + margin, min(tops) - margin, max(bottoms) + 2.5 * margin)


def _letter_m(zones: Sequence[Document]) -> float:
    """Letters that fit into the smallest zone, and of a small farm are not larger than they need be."""
    width = max(zone["x_m"] + zone["width_m"] for zone in zones) - min(zone["x_m"] for zone in zones)
    smallest = min(min(zone["width_m"], zone["height_m"]) for zone in zones)
    return float(min(LETTERS * smallest, MOST_LETTERS * width))


def _short_names(zone_ids: Sequence[str]) -> dict[str, str]:
    """Without the first word, if that is the same for all: `plot-1a` is `1a`."""
    if len(zone_ids) > MOST_LABELS:
        return dict.fromkeys(zone_ids, "")
    heads = {zone_id.partition("-")[0] for zone_id in zone_ids}
    return {zone_id: zone_id.partition("-")[2] or zone_id if len(heads) == 1 else zone_id for zone_id in zone_ids}


def _pipes(layout: Document) -> str:
    """From each gateway to its zones."""
    places = {gateway["gateway_id"]: (gateway["x_m"], gateway["y_m"]) for gateway in layout["gateways"]}
    return "".join(
        line("pipe", *places[zone["gateway_id"]], *_middle(zone))
        for zone in layout["zones"]
        if zone["gateway_id"] in places
    )


def _middle(zone: Document) -> tuple[float, float]:
    return zone["x_m"] + zone["width_m"] / 2, zone["y_m"] + zone["height_m"] / 2


def _zone(zone: Document, plot: Plot, name: str, size: float, language: Language) -> str:
    box = Box(zone["x_m"], zone["x_m"] + zone["width_m"], zone["y_m"], zone["y_m"] + zone["height_m"])
    x, y = _middle(zone)
    words = [trouble.words for trouble in plot.troubles]
    title = "; ".join([f"{zone['zone_id']}: {language.say(f'state_{plot.state}')}", *words])
    mark = _mark(box.x2 - size * 0.62, box.y1 + size * 0.62, size) if words else ""
    label = _label(x, y + size * 0.35, name, size)
    return f'<a href="#{anchor(zone["zone_id"])}">{rect(f"plot {plot.state}", box, title)}{label}{mark}</a>'


def _label(x: float, y: float, name: str, size: float) -> str:
    return f'<g font-size="{size:.1f}">{text("middle plot-name", x, y, name)}</g>'


def _gateway(gateway: Document, troubles: Sequence[Trouble], size: float, language: Language) -> str:
    """A square; one in a process of its own stands on its corner."""
    x, y, half = gateway["x_m"], gateway["y_m"], size * 0.55
    kind = gateway.get("kind", "")
    turn = f' transform="rotate(45 {x:.1f} {y:.1f})"' if kind == "process" else ""
    title = ": ".join([gateway["gateway_id"], *([language.say(f"gateway_{kind}")] if kind in KINDS else [])])
    is_troubled = any(gateway["gateway_id"] in trouble.targets for trouble in troubles)
    shape = rect(f"gateway {kind}", Box(x - half, x + half, y - half, y + half), title)
    return f"<g{turn}>{shape}</g>" + (_mark(x + half, y - half, size) if is_troubled else "")


def _mark(x: float, y: float, size: float) -> str:
    """A triangle with its tip up."""
    half = size * 0.42
    return f'<path class="mark" d="M{x:.1f},{y - half:.1f}l{half:.1f},{half * 1.8:.1f}h{-2 * half:.1f}z"/>'


def _scale(view: Box, size: float, language: Language) -> str:
    """A bar of a round length below the farm."""
    width = view.x2 - view.x1
    metres = next((bar for bar in SCALE_BARS_M if bar < width / 3), SCALE_BARS_M[-1])
    margin = width * MARGIN
    y = view.y2 - margin
    words = language.say("metres", number=language.number(metres))
    x1 = view.x1 + margin
    return (
        f'<g class="scale-bar">{line("rim", x1, y, x1 + metres, y)}'
        f'<g font-size="{size:.1f}">{text("", x1 + metres + margin / 2, y + size * 0.3, words)}</g></g>'
    )


def legend(plots: Sequence[Plot], layout: Document, troubles: Sequence[Trouble], language: Language) -> str:
    """The states, kinds and marks that are on this map."""
    states = {plot.state for plot in plots}
    kinds = {gateway.get("kind", "") for gateway in layout["gateways"]}
    rows = [
        (f"plot-key {state}", f"state_{state}") for state in ("fine", "thirsty", "dry", "unknown") if state in states
    ]
    rows += [(f"gateway-key {kind}", f"gateway_{kind}") for kind in KINDS if kind in kinds]
    rows += [("mark-key", "map_fault")] if troubles else []
    return "".join(f'<li class="{kind}">{escape(language.say(key))}</li>' for kind, key in rows)
