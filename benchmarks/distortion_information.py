"""Fisher information of one image of a distorted crystal, about all that is drawn."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.distortion_cases import asked, directions
from benchmarks.fisher import fisher, standard_deviations
from inverse.distortion import factories as distortion_factories
from inverse.distortion.data import target_of
from inverse.distortion.source import distortion_range, from_mean_a
from inverse.simulator.distorted_crystal import Example, draw_distortions, targets_of

DETECTORS = {
    "HAADF": (0,),
    "ABF": (1,),
    "iDPC": (2, 3),
    "HAADF+ABF": (0, 1),
    "HAADF+ABF+iDPC": (0, 1, 2, 3),
}
# Steps of the differences: deg, pm, and of the nuisances A.
_STEPS = {"deg": 0.5, "pm": 2.0}
# Along the beam, of a wave or a wall: there is little beyond.
_MOMENTS = 6


def all_moments(config):
    """A copy of `config` that asks for as many moments as the crystals have."""
    copy = config.copy_and_resolve_references()
    dataset = copy.dataset
    dataset.num_moments = max(dataset.num_moments, min(_MOMENTS, dataset.thinnest))
    return copy


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


def row_slopes(image: np.ndarray, pixel_a: float) -> np.ndarray:
    """Change of an image [y, x, signal] by each row's displacement [row, y, x, signal].

    Per A, along x, as `acquisition.record` displaces rows.
    """
    along = (np.roll(image, -1, axis=1) - np.roll(image, 1, axis=1)) / (2 * pixel_a)
    return np.eye(len(image))[:, :, None, None] * along[None]


def bounds_of(config, case, signals, side_a, spread) -> dict[str, np.ndarray]:
    """Bounds of one crystal, {detectors: [without or with prior, parameter]}."""
    names = asked(distortion_factories.make_channels(config).names)
    every = asked(distortion_factories.make_channels(all_moments(config)).names)
    hidden = tuple(name for name in every if name not in names)
    every = names + hidden
    units = directions(every, case)
    steps = np.array([_STEPS[name.rsplit("_", 1)[-1]] for name in every])
    steps = np.append(steps, [3.0, 0.02, 0.02, 0.03])
    seen_as = [case.focus_a, 0.0, 0.0, case.source_a]
    start = np.append(np.zeros(len(every)), seen_as)

    def at(point: np.ndarray) -> np.ndarray:
        values = jnp.asarray(point, jnp.float32)
        parts = values[: len(every)], values[len(every) :]
        return np.asarray(signals(case, units, *parts))

    slopes = []
    for index, step in enumerate(steps):
        moved = np.zeros(len(steps))
        moved[index] = step
        slopes.append((at(start + moved) - at(start - moved)) / (2 * step))
    dataset, image = config.dataset, at(start)
    pixel_a = side_a / (dataset.cells * dataset.pixels_per_cell)
    slopes = np.concatenate([slopes, row_slopes(image, pixel_a)])
    electrons = 10**config.evaluation.log10_dose * pixel_a**2
    deflected = dataset.semiangle_mrad / 2
    prior, found = np.array([spread[name] for name in every]), {}
    beyond = np.arange(len(names), len(every))
    rows, jitter_a = len(steps) + np.arange(len(image)), dataset.line_jitter_pm / 100
    for label, chosen in DETECTORS.items():
        information = fisher(image, slopes, chosen, electrons, deflected)
        information[beyond, beyond] += 1 / prior[beyond] ** 2
        information[rows, rows] += 1 / max(jitter_a, 1e-6) ** 2
        bounds = functools.partial(standard_deviations, information, len(names))
        found[label] = np.stack([bounds(None), bounds(prior[: len(names)])])
    return found


def _or_none(bound: float) -> float | None:
    # What no image shows has no bound; its number is that of rounding.
    return float(bound) if bound < 1e6 else None


def median(values: np.ndarray) -> np.ndarray:
    """Over crystals."""
    return np.median(values, axis=0)


def root_mean_square(values: np.ndarray) -> np.ndarray:
    """Over crystals."""
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
