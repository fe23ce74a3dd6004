"""What a displacement that changes along the beam looks like, by detector and focus.

python -m benchmarks.depth_sensitivity --config=configs/stem_distortion.py:tuned

Of undistorted crystals, all A or all B are displaced along x, at first rigidly, then
with a slope along the beam (the first Legendre moment, P1). The change of the image by
the second is projected on that by the first: where a column of P1 = 1 pm seems to
stand, in pm. -1 is where its entrance face stands, 1 its exit face; interference may
carry it further. Of the change, what does not look like a displacement is not counted.
Detectors that agree tell nothing of the depth, because an image has no other origin.
"""

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags
from ml_collections import config_flags
from tqdm import tqdm

from benchmarks import results_file
from benchmarks.distortion_cases import (
    ALONG_X,
    apparent_shift,
    draw_case,
    make_simulator,
)
from inverse.distortion.source import distortion_range
from inverse.simulator.oxides import load_oxides

_CONFIG = config_flags.DEFINE_config_file(
    "config", "configs/stem_distortion.py:tuned", "Whose crystals and microscope."
)
_FOCI = flags.DEFINE_integer("foci", 7, "Evenly over those of the training.")


def main(argv: list[str]) -> None:
    """Writes results/depth_sensitivity.json."""
    del argv
    config, oxides = _CONFIG.value, load_oxides()
    counts = distortion_range(config).counts
    signals, _ = make_simulator(config)
    foci = np.linspace(*config.dataset.defocus_a, _FOCI.value)
    layers = sorted({config.dataset.thinnest, config.dataset.layers})
    source_a = float(np.mean(config.dataset.source_rms_a))
    still = jax.tree.map(jnp.zeros_like, draw_case(config, 0, (0,)))
    found = {atom: [[] for _ in foci] for atom in "AB"}
    for number in tqdm(range(len(oxides)), unit="compound", disable=None):
        for depth in layers:
            case = still._replace(
                depth=jnp.int32(depth), oxide=jnp.int32(number), source_a=source_a
            )
            for atom, of_atom in found.items():
                for focus, here in zip(foci, of_atom, strict=True):
                    here.append(apparent_shift(signals, case, counts, atom, focus))
    # [focus, crystal, detector]
    found = {atom: np.array(values) for atom, values in found.items()}
    heads = [f"{atom} in {name}" for atom in found for name in ALONG_X]
    rows = [f"| focus [A] | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for n, focus in enumerate(foci):
        cells = [
            f"{values[n, :, d].mean():+.2f} ± {values[n, :, d].std():.2f}"
            for values in found.values()
            for d in range(len(ALONG_X))
        ]
        rows.append(f"| {focus:.0f} | {' | '.join(cells)} |")
    results = {
        "command": "python -m benchmarks.depth_sensitivity",
        "title": "Where a column seems to stand whose displacement has a slope of 1 "
        "(P1) along the beam: mean and spread over compounds and thickness",
        "energy_ev": config.dataset.energy_ev,
        "semiangle_mrad": config.dataset.semiangle_mrad,
        "layers": layers,
        "source_rms_a": source_a,
        "foci_a": foci.tolist(),
        "apparent_shift": {atom: v.tolist() for atom, v in found.items()},
        "table": rows,
    }
    print("\n".join(rows))
    print(results_file.write("depth_sensitivity", results))


if __name__ == "__main__":
    app.run(main)
