"""What a linear estimate tells where compound, thickness, focus and source are known.

python -m benchmarks.known_conditions --config=configs/stem_distortion.py:tuned

Crystals of one compound and one thickness, seen in one focus by one source: targets of
every octahedron are regressed on the whole image about it (ridge), in all symmetries of
the square, and judged on crystals that the regression has not seen. Bounds
(`benchmarks.distortion_bounds`) hold for whoever knows, besides, all other distortions
of the crystal at hand, on which it hangs how its image changes. This is what can be had
without, to first order; a dose beyond any noise says how far that order reaches.
Writes results/known_conditions.json.
"""

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import config_flags
from tqdm import tqdm

from benchmarks import results_file
from inverse.distortion import data as distortion_data
from inverse.distortion import factories as distortion_factories
from inverse.distortion.acquisition import Acquisition, as_input, presence, record
from inverse.distortion.source import make_example_fn
from inverse.distortion.targets import NUM_SYMMETRIES, transform_image
from inverse.simulator.crystal_images import IMAGES
from inverse.simulator.distorted_crystal import Targets
from inverse.simulator.oxides import load_oxides

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "Whose crystals and microscope."
)
_OXIDE = flags.DEFINE_string("oxide", "SrTiO3", "The compound.")
_FOCI = flags.DEFINE_list("foci_a", ["-20", "20"], "One after the other, A.")
_CRYSTALS = flags.DEFINE_integer("crystals", 1536, "Of which one in eight is judged.")
_BATCH, _BINNING, _NOISES = 16, 2, 4
_DOSES = (4.0, 7.0)  # log10; the second is beyond any noise
_SHOWN = (
    "tilt_repeating_z_P0_deg",
    *(f"shift_{atom}_x_P0_pm" for atom in "ABO"),
    *(f"shift_{atom}_{axis}_P1_pm" for atom in "AB" for axis in "xy"),
)


def simulate(config, focus_a: float) -> dict[str, np.ndarray]:
    """Crystals of the middle thickness, all in one focus."""
    config = config.copy_and_resolve_references()
    dataset = config.dataset
    middle = (dataset.thinnest + dataset.layers) // 2
    dataset.thinnest = dataset.layers = middle
    dataset.views = 1
    example = make_example_fn(load_oxides((_OXIDE.value,)), config, 2 * (focus_a,))
    make = jax.jit(lambda keys: jax.lax.map(example, keys))
    parts = []
    for number in tqdm(range(_CRYSTALS.value // _BATCH), unit="part", disable=None):
        key = jax.random.fold_in(jax.random.key(21), number)
        parts.append(jax.device_get(make(jax.random.split(key, _BATCH))))
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def make_rows(config, log10_dose: float, source_a: float):
    """Returns rows(key, crystals, symmetry) -> pixels and targets of every octahedron.

    [n * cells, pixel] and [n * cells, channel], the latter in degrees and pm.
    """
    channels = distortion_factories.make_channels(config)
    usual = vars(distortion_factories.make_acquisition(config))
    fixed = {"log10_dose": 2 * (log10_dose,), "source_rms_a": 2 * (source_a,)}
    settings = Acquisition(**(usual | fixed))
    all_shown = jnp.asarray(presence("+".join(IMAGES)))
    per_cell = config.dataset.pixels_per_cell
    in_maps = distortion_factories.map_pixels_per_cell(config)

    def see(key, crystal, symmetry):
        image = record(key, crystal["signals"][0], crystal["side_a"], settings)
        moments = Targets(crystal["rotation"], crystal["tilt"], crystal["shift"])
        seen = as_input(transform_image(image, symmetry), all_shown, per_cell)
        target = distortion_data.target_of(config, moments, symmetry)
        return seen[..., : len(IMAGES)], target

    def rows(key, crystals, symmetry):
        keys = jax.random.split(key, len(crystals["side_a"]))
        images, targets = jax.vmap(see, (0, 0, None))(keys, crystals, symmetry)
        n, side, width = len(images), images.shape[1] // _BINNING, len(IMAGES)
        blocks = images.reshape(n, side, _BINNING, side, _BINNING, width)
        binned, step = blocks.mean((2, 4)), per_cell // _BINNING
        cells = range(side // step)
        about = [
            jnp.roll(binned, (-i * step, -j * step), (1, 2)).reshape(n, -1)
            for i in cells
            for j in cells
        ]
        pixels = jnp.stack(about, axis=1).reshape(n * len(about), -1)
        told = channels.at_cells(targets, in_maps) * channels.scale
        return pixels, told.reshape(n * len(about), -1)

    return jax.jit(rows)


def regress(rows, known: dict, new: dict, penalty: float = 10.0):
    """Errors and targets [row, channel] of new crystals by a ridge on the known."""
    product = moment = 0.0
    for number in range(_NOISES * NUM_SYMMETRIES):
        key = jax.random.fold_in(jax.random.key(22), number)
        pixels, told = rows(key, known, jnp.int32(number % NUM_SYMMETRIES))
        x = np.column_stack([pixels, np.ones(len(pixels))]).astype(np.float64)
        product, moment = product + x.T @ x, moment + x.T @ np.asarray(told, float)
    weights = np.linalg.solve(product + penalty * np.eye(len(product)), moment)
    pixels, told = rows(jax.random.key(23), new, jnp.int32(0))
    made = np.column_stack([pixels, np.ones(len(pixels))]) @ weights
    return made - told, np.asarray(told)


def main(argv: list[str]) -> None:
    """Writes results/known_conditions.json."""
    del argv
    config = _CONFIG.value
    names = distortion_factories.make_channels(config).names
    source_a = float(np.mean(config.dataset.source_rms_a))
    found, last = {}, _CRYSTALS.value // 8
    for focus in _FOCI.value:
        crystals = simulate(config, float(focus))
        known = {name: values[:-last] for name, values in crystals.items()}
        new = {name: values[-last:] for name, values in crystals.items()}
        for dose in _DOSES:
            error, told = regress(make_rows(config, dose, source_a), known, new)
            pairs = (np.sqrt(np.mean(np.square(v), axis=0)) for v in (error, told))
            here = {
                name: {"rmse": float(e), "rms": float(t)}
                for name, e, t in zip(names, *pairs, strict=True)
            }
            print(focus, dose, {name: here[name] for name in _SHOWN}, flush=True)
            found[f"{focus} A, 1e{dose:.0f}"] = here
    head = f"| target | {' | '.join(found)} |"
    body = [
        f"| {name} | "
        + " | ".join(
            f"{here[name]['rmse']:.2f} of {here[name]['rms']:.2f}"
            for here in found.values()
        )
        + " |"
        for name in _SHOWN
    ]
    results = {
        "command": "python -m benchmarks.known_conditions",
        "title": f"RMSE of {_OXIDE.value} by a linear estimate that knows compound, "
        "thickness, focus and source, by focus and electrons per A^2; of the rms",
        "oxide": _OXIDE.value,
        "crystals": [_CRYSTALS.value - last, last],
        "source_rms_a": source_a,
        "layers": (config.dataset.thinnest + config.dataset.layers) // 2,
        "errors": found,
        "table": [head, "|---" * (len(found) + 1) + "|", *body],
    }
    print(results_file.write("known_conditions", results))


if __name__ == "__main__":
    app.run(main)
