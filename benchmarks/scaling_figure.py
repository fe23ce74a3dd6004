"""Draws what `benchmarks.scaling_model` predicts, beside what was published."""

import pathlib
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

_SHOWN = 8  # assumptions with the largest effect
_BITVECTOR = "efficiency of the bitvector at 27,600"


def _draw_curves(axes: Axes, results: dict[str, Any]) -> None:
    # Four of the five lie so close together that they need a glass.
    closer = axes.inset_axes((0.1, 0.42, 0.42, 0.4))
    _draw_lines(closer, results)
    closer.set(xlim=(1e3, 1e5), ylim=(0.9, 0.935))
    closer.tick_params(labelsize=7)
    axes.indicate_inset_zoom(closer)
    _draw_lines(axes, results)
    axes.set(xlabel="devices", ylabel="efficiency over one device", ylim=(0, 1.02))
    axes.legend(fontsize=8, loc="lower left")


def _draw_lines(axes: Axes, results: dict[str, Any]) -> None:
    rows = results["curves"]
    for protocol in dict.fromkeys(row["protocol"] for row in rows):
        mine = [row for row in rows if row["protocol"] == protocol]
        is_ours = protocol == "static plan"
        axes.semilogx(
            [row["num_devices"] for row in mine],
            [row["efficiency"] for row in mine],
            label=protocol + (" (ours)" if is_ours else ""),
            linewidth=2.5 if is_ours else 1.2,
            linestyle="-" if is_ours else "--",
        )
    fitted = results["published_points_by_fit"]["on weak scaling"]
    (point,) = [p for p in fitted if p["name"] == _BITVECTOR]
    axes.plot(27_600, point["published"], "k*", label="published, not fitted")
    axes.grid(alpha=0.3)


def _draw_sensitivities(axes: Axes, results: dict[str, Any]) -> None:
    place = results["sensitivity_protocols"].index("static plan")
    names = list(dict.fromkeys(s["name"] for s in results["sensitivity"]))[:_SHOWN]
    for factor, colour in ((0.5, "C0"), (2.0, "C3")):
        change = [
            100 * s["change"][place]
            for name in names
            for s in results["sensitivity"]
            if s["name"] == name and s["factor"] == factor
        ]
        axes.barh(names, change, color=colour, alpha=0.7, label=f"times {factor:g}")
    axes.invert_yaxis()
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set(xlabel="efficiency of the static plan, change in points")
    axes.legend(fontsize=8)


def draw(results: dict[str, Any], path: pathlib.Path) -> pathlib.Path:
    """Draws curves and sensitivities of results/scaling_model.json to `path`."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_curves(left, results)
    _draw_sensitivities(right, results)
    figure.suptitle("Predicted, not measured")
    figure.savefig(path, dpi=110)
    return path
