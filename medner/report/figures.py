"""Small plots as inline SVG. They take colours and fonts from the page, so that they fit its light and dark modes."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from medner.evaluation.calibration import Bin, Threshold
from medner.model.curve import TrainingCurve
from medner.report.exchange import Point

# Colours that stand for the page's variables: replaced in the SVG. No two may be alike.
INK, MUTED, LINE, SURFACE = "#010101", "#020202", "#030303", "#040404"
SERIES = ("#110000", "#120000", "#130000", "#140000", "#150000", "#160000", "#170000")
_VARIABLES = {
    INK: "ink", MUTED: "muted", LINE: "line", SURFACE: "surface",
    **{colour: f"c{n}" for n, colour in enumerate(SERIES, start=1)},
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SYMBOLS = ("●", "■", "▲", "◆", "▼", "✚", "✖")  # the same, for legends
DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (3, 1)), (0, (1, 2)), (0, (8, 3)))
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be read, searched, and takes the page's font
    "text.parse_math": False,  # a name with $ in it is a name
    "font.size": 10,
    "axes.edgecolor": LINE, "axes.labelcolor": MUTED, "axes.linewidth": 1,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.grid.axis": "y",
    "axes.axisbelow": True, "grid.color": LINE, "grid.linewidth": 0.8,
    "xtick.color": LINE, "ytick.color": LINE, "xtick.labelcolor": MUTED, "ytick.labelcolor": MUTED,
    "ytick.left": False, "text.color": INK, "figure.facecolor": "none", "axes.facecolor": "none",
    "savefig.facecolor": "none",
}  # fmt: skip
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_INCHES = 1 / 72  # matplotlib's SVG has 72 units an inch


def steps(name: str, points: Sequence[tuple[str, float, Sequence[float] | None]], top: float) -> Markup:
    """F1 with its interval for each step (name, F1, interval), from 0 to ``top``."""

    def draw(axes: Axes) -> None:
        places = range(len(points))
        axes.plot(places, [f1 for _, f1, _ in points], color=SERIES[0], linewidth=1.5, zorder=2)
        for place, (_, f1, interval) in zip(places, points, strict=True):
            if interval:
                axes.plot([place, place], interval, color=SERIES[0], linewidth=2.5, solid_capstyle="butt", zorder=2)
            axes.plot(place, f1, "o", color=SERIES[0], markersize=6.5, markeredgecolor=SURFACE, zorder=3)
            axes.annotate(
                f"{f1:.3f}", (place, max(interval or [f1])), (0, 5), textcoords="offset points", ha="center",
                bbox={"facecolor": SURFACE, "edgecolor": "none", "pad": 0.5},  # the line must not cross a number
            )  # fmt: skip
        axes.set_xlim(-0.5, len(points) - 0.5)
        axes.set_ylim(0, top)
        axes.set_xticks(list(places), [_short(step) for step, *_ in points])

    return _svg(f"steps {name}", draw, (230, 180))


def validation(name: str, curve: TrainingCurve) -> Markup:
    """F1 on the dev data and the ner loss over training steps; the best evaluation is marked."""
    evaluations, best = curve.evaluations, curve.best

    def draw(above: Axes, below: Axes) -> None:
        f1 = [one.f1 for one in evaluations]
        above.plot([one.step for one in evaluations], f1, color=SERIES[0], linewidth=1.8)
        above.plot(best.step, best.f1, "o", color=SERIES[1], markersize=8, markeredgecolor=SURFACE)
        above.set_ylim(0, nice_top(f1))
        above.set_ylabel("dev F1")
        losses = [(one.step, one.losses["ner"]) for one in evaluations if one.losses.get("ner", 0) > 0]
        below.plot(*zip(*losses, strict=True), color=SERIES[2], linewidth=1.8, linestyle=DASHES[1])
        below.set_yscale("log")
        below.minorticks_off()
        below.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
        below.set_ylabel("loss")
        below.set_xlabel("steps")

    return _svg(f"validation {name}", draw, (230, 250), rows=2)


class Scale(NamedTuple):
    """What F1 is drawn against: linear up to ``linear``, logarithmic from there. ticks: if none, where points are."""

    label: str
    linear: float
    ticks: Sequence[float] = ()


SENTENCES, COST = Scale("sentences added", 100), Scale("USD", 0.1, (0, 0.1, 1, 10, 100))
Place = tuple[float, Point]  # where a point of a learning curve is drawn


def learning(name: str, series: Mapping[str, Sequence[Place]], top: float, scale: Scale) -> Markup:
    """F1 (mean, standard deviation over seeds) against the number or the cost of sentences added, one line a mix."""

    def draw(axes: Axes) -> None:
        places = sorted({x for points in series.values() for x, _ in points})
        ticks = [tick for tick in scale.ticks if tick <= places[-1]] or places
        for number, points in enumerate(series.values()):
            sizes, means, bars = zip(*((x, point.mean, point.sd or 0) for x, point in points), strict=True)
            axes.errorbar(
                sizes, means, yerr=bars, color=SERIES[number % len(SERIES)], marker=MARKERS[number % len(SERIES)],
                markersize=5.5, linestyle=DASHES[number % len(SERIES)], linewidth=1.6, elinewidth=1.2,
            )  # fmt: skip
        axes.set_xscale("symlog", linthresh=scale.linear, linscale=0.6)
        axes.minorticks_off()
        shown: list[float] = []
        for tick in ticks:
            if not shown or tick >= 2.9 * max(shown[-1], 0.3 * scale.linear):  # nearer labels would touch
                shown.append(tick)
        axes.set_xticks(shown, [f"{tick:,}" for tick in shown])
        axes.set_ylim(0, top)
        axes.set_ylabel("F1")
        axes.set_xlabel(scale.label)

    return _svg(f"learning {name} {scale.label}", draw, (260, 220))


def legend(names: Iterable[str]) -> list[tuple[str, str]]:
    """The colour of each line of :func:`learning`, and its symbol with its name."""
    return [(f"c{n % len(SERIES) + 1}", f"{SYMBOLS[n % len(SERIES)]} {name}") for n, name in enumerate(names)]


def reliability(name: str, bins: Sequence[Bin]) -> Markup:
    """Precision against mean confidence of every bin that has entities; a dot's area is its share of them."""

    def draw(axes: Axes) -> None:
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES[1], zorder=1)
        most = max(one.entities for one in bins)
        found = [(one.confidence, one.precision, 12 + 90 * one.entities / most) for one in bins if one.entities]
        confidence, precision, sizes = zip(*found, strict=True)
        axes.plot(confidence, precision, color=SERIES[0], linewidth=1.6, zorder=2)
        axes.scatter(confidence, precision, s=sizes, color=SERIES[0], edgecolor=SURFACE, zorder=3)
        _unit_square(axes, "confidence", "precision")

    return _svg(f"reliability {name}", draw, (220, 210))


def trade(name: str, curve: Sequence[Threshold]) -> Markup:
    """Precision against recall over all thresholds; the dot keeps every entity."""

    def draw(axes: Axes) -> None:
        recall, precision = zip(*((one.recall, one.precision) for one in curve), strict=True)
        axes.plot(recall, precision, color=SERIES[1], linewidth=1.8, zorder=2)
        axes.plot(recall[-1], precision[-1], "o", color=SERIES[1], markersize=7, markeredgecolor=SURFACE, zorder=3)
        _unit_square(axes, "recall", "precision")

    return _svg(f"trade {name}", draw, (220, 210))


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(-0.03, 1.03)
    axes.set_ylim(-0.03, 1.05)
    axes.set_xticks([0, 0.5, 1])
    axes.set_yticks([0, 0.5, 1])
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def stacked(name: str, bars: Mapping[str, Sequence[int]], right: float) -> Markup:
    """Horizontal bars (name, sizes of its parts), from 0 to ``right``."""

    def draw(axes: Axes) -> None:
        for place, (bar, parts) in enumerate(bars.items()):
            left = 0
            for number, part in enumerate(parts):
                axes.barh(place, part, left=left, color=SERIES[number % len(SERIES)], height=0.66, edgecolor=SURFACE)
                left += part
            axes.annotate(f"{left:,}", (left, place), (4, 0), textcoords="offset points", va="center")
            axes.annotate(_short(bar), (0, place), (-6, 0), textcoords="offset points", va="center", ha="right")
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(0, right * 1.2 or 1)
        axes.set_yticks([])
        axes.set_xticks([])
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)

    return _svg(f"stacked {name}", draw, (230, 12 + 28 * len(bars)))


def levels(name: str, bars: Mapping[str, float], clean: float) -> Markup:
    """Horizontal bars (name, F1) from 0, with a line at the F1 of clean text."""

    def draw(axes: Axes) -> None:
        for place, (bar, f1) in enumerate(bars.items()):
            axes.barh(place, f1, color=SERIES[0], height=0.66, edgecolor=SURFACE)
            axes.annotate(f"{f1:.3f}", (f1, place), (4, 0), textcoords="offset points", va="center")
            axes.annotate(_short(bar, 34), (0, place), (-6, 0), textcoords="offset points", va="center", ha="right")
        axes.axvline(clean, color=SERIES[1], linewidth=1.4, linestyle=DASHES[1])
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(0, nice_top([*bars.values(), clean]))
        axes.set_yticks([])
        axes.set_xticks([])
        axes.grid(False)
        axes.spines["bottom"].set_visible(False)

    return _svg(f"levels {name}", draw, (380, 12 + 17 * len(bars)))


def spans(name: str, ends: Mapping[str, tuple[float, float]], first: int) -> Markup:
    """Horizontal spans (name, from, to) from 0 to 1; ``first``: the colour and marker of their beginnings."""

    def draw(axes: Axes) -> None:
        for place, values in enumerate(ends.values()):
            axes.plot(values, [place, place], color=LINE, linewidth=2.5, zorder=1)
            for number, value in enumerate(values):
                axes.plot(
                    value, place, marker=MARKERS[first + number], color=SERIES[first + number], markersize=7,
                    markeredgecolor=SURFACE, zorder=2,
                )  # fmt: skip
                side = 1 if (values[1] >= values[0]) == bool(number) else -1  # each label on its own side
                axes.annotate(
                    f"{value:.3f}", (value, place), (7 * side, 0), textcoords="offset points", va="center",
                    ha="left" if side > 0 else "right",
                )  # fmt: skip
        axes.set_ylim(len(ends) - 0.5, -0.5)
        axes.set_xlim(-0.15, 1.15)
        axes.set_xticks([0, 0.5, 1])
        axes.set_yticks(range(len(ends)), [_short(end) for end in ends], color=INK)
        axes.grid(False)
        axes.spines["left"].set_visible(False)

    return _svg(f"spans {name}", draw, (300, 40 + 28 * len(ends)))


def nice_top(values: Iterable[float]) -> float:
    """The end of an axis from 0 that holds the values and some room for a label, at most 1.05."""
    return min(1.05, max([*values, 0.05]) * 1.18)


def _short(name: str, limit: int = 14) -> str:
    return name if len(name) <= limit else name[: limit - 1] + "…"


def _svg(name: str, draw: Any, size: tuple[float, float], rows: int = 1) -> Markup:
    """Draw with matplotlib and make the result fit for inlining: no ids of its own, no fonts, the page's colours."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        canvas = Canvas(figsize=(size[0] * _INCHES, size[1] * _INCHES), layout="constrained")
        FigureCanvasSVG(canvas)
        draw(*canvas.subplots(rows, 1, sharex=True, squeeze=False).ravel())
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata={"Date": None})
    ElementTree.register_namespace("", _SVG)
    root = ElementTree.fromstring(buffer.getvalue())  # noqa: S314 - made above, by matplotlib
    prefix = re.sub(r"\W+", "-", name)
    for parent in root.iter():
        for child in [c for c in parent if c.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
        if target := parent.attrib.pop(f"{{{_XLINK}}}href", None):
            parent.set("href", f"#{prefix}-{target[1:]}")
        for key, value in list(parent.attrib.items()):
            if key == "id":
                parent.set(key, f"{prefix}-{value}")
            elif key in ("style", "clip-path"):
                parent.set(key, _styled(value, prefix))
    root.attrib = {"viewBox": root.attrib["viewBox"], "width": f"{size[0]:g}", "height": f"{size[1]:g}"}
    root.set("preserveAspectRatio", "xMinYMid meet")
    root.set("aria-hidden", "true")  # the panel around it has a description
    return Markup(ElementTree.tostring(root, encoding="unicode"))  # noqa: S704 - the serialiser has escaped all text


def _styled(style: str, prefix: str) -> str:
    style = style.replace("url(#", f"url(#{prefix}-")
    style = re.sub(r"font: ([\d.]+px) [^;]*", r"font-size: \1", style)
    return re.sub(r"#[0-9a-f]{6}", lambda m: f"var(--{_VARIABLES[m[0]]})" if m[0] in _VARIABLES else m[0], style)
