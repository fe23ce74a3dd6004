"""What one image of a distorted perovskite can tell: Cramer-Rao bounds.

python -m benchmarks.distortion_bounds --config=configs/stem_distortion.py:tuned

Distortions, strain, thickness, focus and source are drawn as in training, the compounds
are those that are held out, each in all thirds of the foci. The noise-free images are
differentiated by central differences with respect to every target at once, and to what
is not asked for: focus, origin, size of the source, gain and offset of every detector;
and, each with a Gaussian prior of its spread as drawn, the jitter of every row and the
moments along the beam beyond those asked for, which walls and waves have. Counts are
Poisson's, deflections normal.

The bound is for estimates without bias. With a prior of every target's spread besides
it is the error of the best linear estimate of whoever knows how the image changes at
this very crystal: its compound, its thickness and all its other distortions. That is
more than any image says. But what is drawn is not normal (most crystals have no
displacement of A at all), and an estimate that is not linear makes use of that: it may
err less.
"""

import numpy as np
from absl import app, flags
from ml_collections import config_flags
from tqdm import tqdm

from benchmarks import results_file
from benchmarks.distortion_cases import (
    THIRDS,
    asked,
    draw_case,
    held_out_oxides,
    make_simulator,
    third_of,
)
from benchmarks.distortion_information import (
    DETECTORS,
    all_moments,
    bounds_of,
    median,
    root_mean_square,
    spread_of_draws,
    summary,
)
from inverse.distortion import factories as distortion_factories

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "Whose crystals and microscope."
)
_CRYSTALS = flags.DEFINE_integer("crystals", 36, "Operating points.")


def _cell(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:.3g}"


def main(argv: list[str]) -> None:
    """Writes results/distortion_bounds.json."""
    del argv
    config, count = _CONFIG.value, _CRYSTALS.value
    oxides = held_out_oxides(config)
    spread = spread_of_draws(all_moments(config))
    signals, sides = make_simulator(config)
    points, thirds = [], [[] for _ in range(THIRDS)]
    for number in tqdm(range(count), desc="bounds", unit="crystal", disable=None):
        case = draw_case(config, number, oxides)
        side = float(sides[int(case.oxide)])
        points.append(bounds_of(config, case, signals, side, spread))
        thirds[third_of(number, oxides)].append(points[-1])
    names = asked(distortion_factories.make_channels(config).names)
    unbiased = summary(names, points, 0, median)
    with_prior = summary(names, points, 1, root_mean_square)
    head = "| target | " + " | ".join(DETECTORS) + " |"
    body = [
        f"| {name} | "
        + " | ".join(
            f"{_cell(unbiased[d][name])} ({with_prior[d][name]:.3g})" for d in DETECTORS
        )
        + " |"
        for name in names
    ]
    low, high = config.dataset.defocus_a
    results = {
        "command": f"python -m benchmarks.distortion_bounds --crystals={count}",
        "title": "Cramer-Rao bounds of one image of 2 x 2 cells, median over crystals; "
        "in brackets the best linear estimate, all else being known, root mean square",
        "dose_e_per_a2": 10**config.evaluation.log10_dose,
        "energy_ev": config.dataset.energy_ev,
        "layers": [config.dataset.thinnest, config.dataset.layers],
        "source_rms_a": list(config.dataset.source_rms_a),
        "compounds": list(config.dataset.held_out),
        "moments": all_moments(config).dataset.num_moments,
        "defocus_edges_a": np.linspace(low, high, THIRDS + 1).tolist(),
        "spread_of_draws": spread,
        "crystals": count,
        "unbiased_median": unbiased,
        "with_prior_rms": with_prior,
        "with_prior_rms_by_defocus": [
            summary(names, third, 1, root_mean_square) if third else None
            for third in thirds
        ],
        "table": [head, "|---" * (len(DETECTORS) + 1) + "|", *body],
    }
    print("\n".join(results["table"]))
    results_file.write("distortion_bounds", results)


if __name__ == "__main__":
    app.run(main)
