"""What one image of a distorted perovskite can tell, at best: Cramer-Rao bounds.

python -m benchmarks.distortion_bounds --config=configs/stem_distortion.py:tuned

Crystals, thickness, focus and source are drawn as in training, all compounds in all
thirds of the foci. The noise-free images are differentiated by central
differences with respect to every target at once, and to what is not asked for (focus,
origin, size of the source, gain and offset of every detector). Counts are Poisson's,
deflections normal. The bound holds for estimates without bias. With a Gaussian prior
added, of the spread of each target among the crystals drawn, it says about what an
estimate that knows what is drawn, and compound and thickness besides, can reach;
targets are taken for independent.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import config_flags
from tqdm import tqdm

from benchmarks import results_file
from benchmarks.distortion_cases import (
    THIRDS,
    asked,
    directions,
    draw_case,
    make_simulator,
)
from benchmarks.fisher import fisher, standard_deviations
from inverse import distortion_factories
from inverse.distortion_data import target_of
from inverse.distortion_source import distortion_range, from_mean_a
from inverse.simulator.distorted_crystal import Example, draw_distortions, targets_of
from inverse.simulator.oxides import load_oxides

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "Whose crystals and microscope."
)
_CRYSTALS = flags.DEFINE_integer("crystals", 36, "Operating points.")

DETECTORS = {
    "HAADF": (0,),
    "ABF": (1,),
    "iDPC": (2, 3),
    "HAADF+ABF": (0, 1),
    "HAADF+ABF+iDPC": (0, 1, 2, 3),
}
# Steps of the differences: deg, pm, and of the nuisances A.
_STEPS = {"deg": 0.5, "pm": 2.0}


def spread_of_draws(config, count: int = 2000) -> dict[str, float]:
    """Standard deviation of every target among crystals drawn, degrees and pm."""
    settings = distortion_range(config)

    def draw(key):
        thick, tilts, shifts = jax.random.split(key, 3)
        depth = jax.random.randint(thick, (), settings.thinnest, settings.counts[2] + 1)
        fields, tilt = draw_distortions(tilts, shifts, settings, depth)
        targets = targets_of(fields, tilt, depth, settings.num_moments)
        found, _ = from_mean_a(Example(*5 * (None,), targets))
        return target_of(config, found.targets, jnp.int32(0))

    drawn = jax.jit(jax.vmap(draw))(jax.random.split(jax.random.key(12), count))
    channels = distortion_factories.make_channels(config)
    in_maps = distortion_factories.map_pixels_per_cell(config)
    drawn = channels.at_cells(drawn, in_maps)
    spread = np.asarray(drawn.std(axis=(0, 1, 2))) * channels.scale
    return dict(zip(channels.names, map(float, spread), strict=True))


def bounds_of(config, case, signals, side_a, spread) -> dict[str, np.ndarray]:
    """Bounds of one crystal, {detectors: [without or with prior, parameter]}."""
    names = asked(distortion_factories.make_channels(config).names)
    units = directions(names, case)
    steps = np.array([_STEPS[name.rsplit("_", 1)[-1]] for name in names])
    steps = np.append(steps, [3.0, 0.02, 0.02, 0.03])
    seen_as = [case.focus_a, 0.0, 0.0, case.source_a]
    start = np.append(np.zeros(len(names)), seen_as)

    def at(point: np.ndarray) -> np.ndarray:
        values = jnp.asarray(point, jnp.float32)
        parts = values[: len(names)], values[len(names) :]
        return np.asarray(signals(case, units, *parts))

    slopes = []
    for index, step in enumerate(steps):
        moved = np.zeros(len(steps))
        moved[index] = step
        slopes.append((at(start + moved) - at(start - moved)) / (2 * step))
    dataset = config.dataset
    pixel_a2 = (side_a / (dataset.cells * dataset.pixels_per_cell)) ** 2
    electrons = 10**config.evaluation.log10_dose * pixel_a2
    deflected = dataset.semiangle_mrad / 2
    prior, found = np.array([spread[name] for name in names]), {}
    for label, chosen in DETECTORS.items():
        information = fisher(at(start), np.stack(slopes), chosen, electrons, deflected)
        bounds = functools.partial(standard_deviations, information, len(names))
        found[label] = np.stack([bounds(None), bounds(prior)])
    return found


def _or_none(bound: float) -> float | None:
    # What no image shows has no bound; its number is that of rounding.
    return float(bound) if bound < 1e6 else None


def _cell(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:.3g}"


def _median(values: np.ndarray) -> np.ndarray:
    return np.median(values, axis=0)


def _rms(values: np.ndarray) -> np.ndarray:
    return np.sqrt(np.mean(np.square(values), axis=0))


def summary(names, points: list[dict], which: int, reduce) -> dict[str, dict]:
    """Bounds without (0) or with (1) prior, {detectors: {parameter: bound}}."""
    return {
        label: dict(
            zip(
                names,
                map(_or_none, reduce([p[label][which] for p in points])),
                strict=True,
            )
        )
        for label in DETECTORS
    }


def main(argv: list[str]) -> None:
    """Writes results/distortion_bounds.json."""
    del argv
    config, count, num_oxides = _CONFIG.value, _CRYSTALS.value, len(load_oxides())
    spread = spread_of_draws(config)
    signals, sides = make_simulator(config)
    points, thirds = [], [[] for _ in range(THIRDS)]
    for number in tqdm(range(count), desc="bounds", unit="crystal", disable=None):
        case = draw_case(config, number, num_oxides)
        side = float(sides[int(case.oxide)])
        points.append(bounds_of(config, case, signals, side, spread))
        thirds[number // num_oxides % THIRDS].append(points[-1])
    names = asked(distortion_factories.make_channels(config).names)
    unbiased = summary(names, points, 0, _median)
    with_prior = summary(names, points, 1, _rms)
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
        "in brackets with a prior of the spread of what is drawn, root mean square",
        "dose_e_per_a2": 10**config.evaluation.log10_dose,
        "energy_ev": config.dataset.energy_ev,
        "layers": [config.dataset.thinnest, config.dataset.layers],
        "source_rms_a": list(config.dataset.source_rms_a),
        "defocus_edges_a": np.linspace(low, high, THIRDS + 1).tolist(),
        "spread_of_draws": spread,
        "crystals": count,
        "unbiased_median": unbiased,
        "with_prior_rms": with_prior,
        "with_prior_rms_by_defocus": [
            summary(names, third, 1, _rms) if third else None for third in thirds
        ],
        "table": [head, "|---" * (len(DETECTORS) + 1) + "|", *body],
    }
    print("\n".join(results["table"]))
    results_file.write("distortion_bounds", results)


if __name__ == "__main__":
    app.run(main)
