"""What one image of a distorted perovskite can tell, at best: Cramer-Rao bounds.

python -m benchmarks.distortion_bounds --config=configs/stem_distortion.py:tuned

Crystals are drawn as in training. The noise-free images are differentiated by central
differences with respect to every target at once, and to what is not asked for (focus,
origin, size of the source, gain and offset of every detector). Counts are Poisson's,
deflections normal. The bound holds for estimates without bias. With a Gaussian prior
added, of the spread of each target among the crystals drawn, it says about what an
estimate that knows what is drawn can reach; targets are taken for independent.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import config_flags

from benchmarks import results_file
from benchmarks.fisher import fisher, standard_deviations
from inverse import distortion_factories
from inverse.distortion_data import target_of
from inverse.distortion_source import (
    distortion_range,
    from_mean_a,
    grams_of,
    on_square,
    table_of,
    tables_of,
)
from inverse.simulator.channelling_images import scan_images
from inverse.simulator.depth_moments import legendre
from inverse.simulator.distorted_crystal import Example, draw_distortions, targets_of
from inverse.simulator.glazer import glazer_signs
from inverse.simulator.oxides import load_oxides
from inverse.simulator.perovskite import Distortions, atoms_of, build_crystal

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "Whose crystals and microscope."
)
_CRYSTALS = flags.DEFINE_integer("crystals", 6, "Operating points.")

DETECTORS = {
    "HAADF": (0,),
    "ABF": (1,),
    "iDPC": (2, 3),
    "HAADF+ABF": (0, 1),
    "HAADF+ABF+iDPC": (0, 1, 2, 3),
}
# Steps of the differences: deg, pm, and of the nuisances A.
_STEPS = {"deg": 0.5, "pm": 2.0}


def asked(names: tuple[str, ...]) -> tuple[str, ...]:
    """Parameters: the channels but those that define the origin, or the focus."""
    return tuple(n for n in names if n != "shift_A_z_P0_pm")


def _direction(name: str, counts, depth: int, tilt_signs: np.ndarray):
    """The field [x, y, z] of one unit of a parameter, and whose it is."""
    kind, what, axis, moment, _ = name.split("_")
    t = (2 * np.arange(counts[2]) + 1) / depth - 1
    profile = np.asarray(legendre(3, jnp.asarray(t)))[int(moment[1])]
    i, j, k = np.indices(counts)
    if kind == "tilt":
        if what == "repeating":
            sign = (-1.0) ** (i + j)
        else:
            sign = tilt_signs[..., "xyz".index(axis)]
    elif what == "A" and moment == "P0":
        # All A alike would move the origin: neighbours move against each other.
        sign = (-1.0) ** (i + j)
    else:
        sign = np.ones(counts)
    return kind, what, "xyz".index(axis), sign * profile


def make_simulator(config, oxide, drawn: Distortions, tilt, depth: int):
    """Returns signals(parameters, nuisances) [y, x, signal] at one crystal."""
    settings = distortion_range(config)
    table = table_of(tables_of(config, (oxide,)), 0)
    names = asked(distortion_factories.make_channels(config).names)
    # Alternating tilts in the phase that they have; out of phase where there is none.
    phase = np.asarray(jnp.argmax(jnp.abs(tilt).max(axis=(0, 1, 2)), axis=-1))
    phase = np.where(np.asarray(jnp.abs(tilt)).max(axis=(0, 1, 2, 4)) > 0, phase, 1)
    phase[2] = 1
    signs = glazer_signs(settings.counts)
    signs = np.stack([signs[..., a, phase[a]] for a in range(3)], axis=-1)
    directions = [_direction(n, settings.counts, depth, signs) for n in names]
    pixels = config.dataset.cells * config.dataset.pixels_per_cell

    def signals(parameters: jax.Array, nuisances: jax.Array) -> jax.Array:
        fields = list(drawn)
        place = {"A": 1, "B": 2, "O": 3}
        for value, (kind, what, axis, field) in zip(
            parameters, directions, strict=True
        ):
            number = 0 if kind == "tilt" else place[what]
            unit = jnp.pi / 180 if kind == "tilt" else 0.01
            fields[number] = (
                fields[number].at[..., axis].add(unit * value * jnp.asarray(field))
            )
        crystal = build_crystal(
            Distortions(*fields), oxide.pseudo_cubic_a, jnp.zeros(3), depth
        )
        sites = (jnp.int32(oxide.a_site), jnp.int32(oxide.b_site))
        positions, numbers = atoms_of(crystal, *sites, depth)
        targets = targets_of(drawn, tilt, depth, config.dataset.num_moments)
        found = Example(
            positions, numbers, crystal.cell, jnp.int32(depth), jnp.int32(0), targets
        )
        found, side = on_square(config, table, found), table["side_a"]
        grams = grams_of(config, table, found)
        seen = scan_images(table, grams, nuisances[0], nuisances[1:3] / side, pixels)
        return _blurred(seen, side, nuisances[3], config.dataset.phonon_rms_a)

    return names, jax.jit(signals), float(table["side_a"])


def _blurred(seen, side, source, phonon):
    index = np.fft.fftfreq(seen.shape[0], 1 / seen.shape[0])
    k2 = (index[:, None] ** 2 + index[None] ** 2)[..., None] / side**2
    rms2 = source**2 + jnp.array([phonon**2, 0, 0, 0]).reshape(1, 1, 4)
    spectrum = jnp.fft.fft2(seen, axes=(0, 1)) * jnp.exp(-2 * jnp.pi**2 * rms2 * k2)
    return jnp.fft.ifft2(spectrum, axes=(0, 1)).real


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


def operating_point(config, number: int, spread: dict[str, float]):
    """Names of parameters and bounds of one crystal {detectors: [2, param]}."""
    settings = distortion_range(config)
    oxides = load_oxides()
    oxide = oxides[number % len(oxides)]
    key = jax.random.fold_in(jax.random.key(11), number)
    depth = (settings.thinnest + settings.counts[2]) // 2
    drawn, tilt = draw_distortions(*jax.random.split(key), settings, depth)
    names, signals, side = make_simulator(config, oxide, drawn, tilt, depth)
    steps = np.array([_STEPS[name.rsplit("_", 1)[-1]] for name in names])
    steps = np.append(steps, [3.0, 0.02, 0.02, 0.03])
    start = np.append(np.zeros(len(names)), [0.0, 0.0, 0.0, 0.45])

    def at(point: np.ndarray) -> np.ndarray:
        values = jnp.asarray(point, jnp.float32)
        return np.asarray(signals(values[: len(names)], values[len(names) :]))

    slopes = []
    for index, step in enumerate(steps):
        moved = np.zeros(len(steps))
        moved[index] = step
        slopes.append((at(start + moved) - at(start - moved)) / (2 * step))
    dataset = config.dataset
    pixel_a2 = (side / (dataset.cells * dataset.pixels_per_cell)) ** 2
    electrons = 10**config.evaluation.log10_dose * pixel_a2
    found = {}
    for label, chosen in DETECTORS.items():
        deflected = dataset.semiangle_mrad / 2
        information = fisher(at(start), np.stack(slopes), chosen, electrons, deflected)
        prior = np.array([spread[name] for name in names])
        bounds = functools.partial(standard_deviations, information, len(names))
        found[label] = np.stack([bounds(None), bounds(prior)])
    return names, found


def _or_none(bound: float) -> float | None:
    # What no image shows has no bound; its number is that of rounding.
    return float(bound) if bound < 1e6 else None


def _cell(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:.3g}"


def main(argv: list[str]) -> None:
    """Writes results/distortion_bounds.json."""
    del argv
    config, count = _CONFIG.value, _CRYSTALS.value
    points, spread = [], spread_of_draws(config)
    for number in range(count):
        names, found = operating_point(config, number, spread)
        points.append(found)
        print(f"crystal {number + 1} of {count}", flush=True)
    unbiased, with_prior = (
        {
            label: dict(
                zip(
                    names,
                    map(_or_none, reduce([p[label][which] for p in points])),
                    strict=True,
                )
            )
            for label in DETECTORS
        }
        for which, reduce in (
            (0, lambda values: np.median(values, axis=0)),
            (1, lambda values: np.sqrt(np.mean(np.square(values), axis=0))),
        )
    )
    head = "| target | " + " | ".join(DETECTORS) + " |"
    body = [
        f"| {name} | "
        + " | ".join(
            f"{_cell(unbiased[d][name])} ({with_prior[d][name]:.3g})" for d in DETECTORS
        )
        + " |"
        for name in names
    ]
    results = {
        "command": f"python -m benchmarks.distortion_bounds --crystals={count}",
        "title": "Cramer-Rao bounds of one image of 2 x 2 cells, median over crystals; "
        "in brackets with a prior of the spread of what is drawn",
        "dose_e_per_a2": 10**config.evaluation.log10_dose,
        "energy_ev": config.dataset.energy_ev,
        "layers": (config.dataset.thinnest + config.dataset.layers) // 2,
        "spread_of_draws": spread,
        "crystals": count,
        "unbiased_median": unbiased,
        "with_prior_rms": with_prior,
        "table": [head, "|---" * (len(DETECTORS) + 1) + "|", *body],
    }
    print("\n".join(results["table"]))
    results_file.write("distortion_bounds", results)


if __name__ == "__main__":
    app.run(main)
