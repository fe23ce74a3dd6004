"""Fast images of crystals beside full multislice with frozen phonons: error and time.

python -m benchmarks.channelling_agreement --configurations=4

Distorted crystals of 2 x 2 cells; images without noise, standardised as a network sees
them. Frozen phonons scatter: two sets of the full images tell by how much.
"""

import dataclasses
import time

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from benchmarks import results_file
from inverse.distortion.source import table_of
from inverse.simulator.channelling_images import crystal_grams, scan_images
from inverse.simulator.channelling_tables import Sampling, make_tables
from inverse.simulator.coherence import blur_scan
from inverse.simulator.crystal_images import (
    IMAGES,
    Microscope,
    make_micrographs,
    slice_layers,
)
from inverse.simulator.distorted_crystal import DistortionRange
from inverse.simulator.oxides import load_oxides
from inverse.simulator.phase_contrast import integrate

_CONFIGURATIONS = flags.DEFINE_integer("configurations", 4, "Frozen phonons of a set.")
_OXIDES = flags.DEFINE_list("oxides", ["SrTiO3", "BiFeO3", "LaAlO3"], "Compounds.")

_COUNTS, _DEPTH = (2, 2, 12), 12
_SOURCE_A, _PHONON_A, _FOCUS_A = 0.4, 0.08, 10.0


def _standardised(image: np.ndarray) -> np.ndarray:
    return (image - image.mean()) / image.std()


def _settings() -> tuple[DistortionRange, Microscope]:
    crystals = DistortionRange(
        counts=_COUNTS,
        thinnest=_DEPTH,
        max_shift_a=0.3,
        lateral_weights=(1.0, 0.0, 0.0),
    )
    seen = Microscope(
        defocus_a=(_FOCUS_A, _FOCUS_A),
        source_rms_a=_SOURCE_A,
        phonon_rms_a=_PHONON_A,
        frozen_phonons=_CONFIGURATIONS.value,
        dose_e_per_a2=0.0,
    )
    return crystals, seen


def fast_images(oxide, example, seen: Microscope, sampling: Sampling):
    """Images [y, x, 3] in the order of IMAGES, and seconds of the second time."""
    tables = make_tables((oxide,), _COUNTS[0], seen, sampling)
    table = table_of(tables, 0)
    pixels = _COUNTS[0] * seen.pixels_per_cell

    @jax.jit
    def simulate(slices, thickness, num_slices):
        grams = crystal_grams(
            table, slices, thickness, num_slices, batch_size=sampling.batch_size
        )
        return scan_images(table, grams, _FOCUS_A, jnp.zeros(2), pixels)

    given = slice_layers(example, _COUNTS), example.cell[2] / 2, 2 * example.depth
    jax.block_until_ready(simulate(*given))
    start = time.perf_counter()
    signals = jnp.moveaxis(jax.block_until_ready(simulate(*given)), -1, 0)
    seconds = time.perf_counter() - start
    step = (oxide.pseudo_cubic_a / seen.pixels_per_cell,) * 2
    blurred = blur_scan(signals, step, _SOURCE_A)
    haadf = blur_scan(signals[:1], step, float(np.hypot(_SOURCE_A, _PHONON_A)))[0]
    phase = integrate(jnp.stack([blurred[2], blurred[3]], -1), step, seen.energy_ev)
    return np.stack([haadf, blurred[1], phase], axis=-1), seconds


def main(argv: list[str]) -> None:
    """Compares and writes results/channelling_agreement.json."""
    del argv
    crystals, seen = _settings()
    rows, details = [], {}
    for oxide in load_oxides(tuple(_OXIDES.value)):
        key = jax.random.key(3)
        half = jax.jit(make_micrographs(oxide, crystals, seen))
        example, first = jax.block_until_ready(half(key))
        start = time.perf_counter()
        jax.block_until_ready(half(key))
        full_seconds = time.perf_counter() - start
        # Configurations are numbered: twice as many are the same and as many others.
        twice = dataclasses.replace(seen, frozen_phonons=2 * seen.frozen_phonons)
        both = np.asarray(jax.jit(make_micrographs(oxide, crystals, twice))(key)[1])
        first = np.asarray(first)
        second = 2 * both - first
        fast, seconds = fast_images(oxide, example, seen, Sampling())
        found = {"seconds": seconds, "full_seconds": full_seconds}
        for channel, name in enumerate(IMAGES):
            ours, theirs = fast[..., channel], both[..., channel]
            difference = _standardised(ours) - _standardised(theirs)
            found[name] = {
                "correlation": float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1]),
                "rms_of_standardised": float(difference.std()),
                "rms_of_two_sets_of_phonons": float(
                    (
                        _standardised(first[..., channel])
                        - _standardised(second[..., channel])
                    ).std()
                ),
                "contrast_ratio": float(ours.std() / theirs.std()),
            }
        details[oxide.formula] = found
        cells = " | ".join(
            f"{found[n]['correlation']:.4f} ({found[n]['rms_of_standardised']:.3f}, "
            f"{found[n]['rms_of_two_sets_of_phonons']:.3f})"
            for n in IMAGES
        )
        rows.append(
            f"| {oxide.formula} | {cells} | {seconds:.2f} | {full_seconds:.1f} |"
        )
        print(rows[-1], flush=True)
    results_file.write(
        "channelling_agreement",
        {
            "command": "python -m benchmarks.channelling_agreement "
            f"--configurations={_CONFIGURATIONS.value}",
            "title": "Fast images beside multislice with frozen phonons: correlation "
            "(rms difference of standardised images, that of two sets of phonons), "
            "seconds per image",
            "agreement": details,
            "table": [
                f"| 12 layers of | {' | '.join(IMAGES)} | fast [s] | full [s] |",
                "|---" * (len(IMAGES) + 3) + "|",
                *rows,
            ],
        },
    )


if __name__ == "__main__":
    app.run(main)
