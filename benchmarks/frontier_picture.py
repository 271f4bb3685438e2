"""The picture of the frontier: a panel for each climate, a point for each policy."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
from frontier_candidates import MINIMUM_AGE_S, WEEK
from frontier_points import Line, default_window_s, line_of, point_of
from matplotlib import pyplot
from matplotlib.axes import Axes

from ringfence.simulation.candidate import Calendar
from ringfence.simulation.outcome import Outcome
from ringfence.simulation.traffic.parameters import CLIMATES

COLOURS = {12: "#c23b22", 28: "#d98c00", 60: "#1f6fb4", 124: "#2e8b57", 252: "#7a3fa0"}
GREY = "#777777"


def plot(by_climate: Mapping[str, Sequence[Outcome]], path: Path) -> None:
    """Writes the picture; the same outcomes give the same bytes."""
    matplotlib.rcParams.update({"svg.hashsalt": "frontier", "svg.fonttype": "none"})
    figure, panels = pyplot.subplots(
        1, len(by_climate), figsize=(4.6 * len(by_climate), 4.4), sharey=True, squeeze=False
    )
    for axes, (name, outcomes) in zip(panels[0], by_climate.items(), strict=True):
        _panel(axes, outcomes)
        axes.set_title(f"{name}: {CLIMATES[name].calls_per_number_day} calls a number a day")
        axes.set_xlabel("released in three years, % of all numbers")
    panels[0][0].set_ylabel("people, applications or collectors\nwithin 30 days, % of released")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=4, frameon=False)
    figure.tight_layout(rect=(0, 0.11, 1, 1))
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=150)
    pyplot.close(figure)


def _panel(axes: Axes, outcomes: Sequence[Outcome]) -> None:
    window_s = default_window_s(outcomes)
    for ring_entries, colour in COLOURS.items():
        line = line_of(outcomes, "repeat-", ring_entries, window_s)
        _draw(axes, line, colour, "o-", f"repeat callers, K = {ring_entries}")
    for released, residual, days in line:
        axes.annotate(days, (released, residual), (6, -4), textcoords="offset points", fontsize=6)
    line = line_of(outcomes, "repeat-", 60, WEEK)
    _draw(axes, line, COLOURS[60], "x:", "K = 60, robots: 8 numbers in 7 days")
    line = line_of(outcomes, "count-", 60, 0)
    _draw(axes, line, GREY, "s--", "count only, in 30 days")
    for outcome in outcomes:
        if isinstance(outcome.candidate, Calendar):
            mark = "D" if outcome.candidate.age_s == MINIMUM_AGE_S else "d"
            _mark(axes, outcome, mark, "black", outcome.candidate.name)
        elif outcome.candidate.policy.name == "default":
            _mark(axes, outcome, "*", "black", "default")
    axes.set_xlim(20, 105)
    axes.set_ylim(0, None)
    axes.grid(alpha=0.3)


def _draw(axes: Axes, line: Line, colour: str, style: str, label: str) -> None:
    released, residual, _ = zip(*line, strict=True)
    axes.plot(released, residual, style, color=colour, label=label, markersize=4, linewidth=1)


def _mark(axes: Axes, outcome: Outcome, marker: str, colour: str, label: str) -> None:
    axes.plot(*point_of(outcome), marker, color=colour, label=label, markersize=11, zorder=3)
