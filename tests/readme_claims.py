"""What the README's prose has to say in numbers, written from results as they are."""

import re

from benchmarks.results_file import read
from benchmarks.table import Table
from tests.readme_cells import cell, numbers, span
from tests.readme_chosen import DENSITY, DISTORTIONS, MNIST, REDUCTION, SPEED
from tests.readme_claims_distortion import distortion_claims
from tests.readme_claims_reduction import reduction_claims


def _scientific(value: float) -> str:
    return f"{value:.0e}".replace("e-0", "e-")


def _mnist(tables: dict[str, Table]) -> list[str]:
    runs = read("gan_comparison_mnist")["runs"]
    fid = "fid_own_classifier_mnist_e3_r10000_f10000"
    fids = {method: [run[fid] for run in runs[method]] for method in runs}
    steps = {method: runs[method][0]["step"] for method in runs}
    images = cell(tables["gan"], "images", "mnist", "label-sharded")
    fakes, reals = images.removesuffix(" reals").split(" fakes, ")
    return [
        f"{steps['tuned']:,} steps of 8 images each",
        f"the one pair {steps['single']:,} steps of 8, ",
        f"{fakes} fakes against {reals} training images",
        f"conditional generator ({min(fids['conditional']):.2f})",
        f"of ours ({span(fids['tuned'], 2)})",
    ]


def _speed() -> list[str]:
    one, ten = read("gan_step_cpu"), read("gan_step_10_pairs_cpu")
    work = {
        row["count"]: row["median_core_ms_per_pair_and_step"]
        for row in read("weak_scaling_cpu")["measured"]
        if row["kind"].startswith("processes")
    }
    return [
        f"{min(work)} to {max(work)} on the same two cores, do "
        f"{work[min(work)]:.0f} to {work[max(work)]:.0f} core-ms of work per pair and "
        "step",
        f"batch {one['batch_size']} of one pair and {ten['batch_size']} of each of ten",
    ]


def _density(tables: dict[str, Table]) -> list[str]:
    trained, step = read("density"), read("step_time_cpu")
    ms = step["median_ms_forward_and_backward"]
    fastest = min(time for name, time in ms.items() if name.startswith("torch"))
    is_missed = fastest / ms["jax"] < 0.9
    names = ("held-out materials", "network less phase retrieval")
    little = cell(tables["density"], "column recall", *names).lstrip("+")
    return [
        f"{trained['training_examples']:,} examples",
        f"{trained['num_steps']:,} steps of {trained['batch_size']} are taken",
        f"in {span(trained['training_minutes'])} minutes",
        f"of held-out materials by {little} (",
        f"batch {step['dense_layer'].partition('x')[0]} on two cores, take "
        f"{ms['jax']:.0f} ms, PyTorch's {fastest:.0f} ms compiled with channels last: "
        f"{fastest / ms['jax']:.2f} of "
        "its speed, and the target of 0.9 is " + ("missed" if is_missed else "met"),
        f"with layers as on a GPU it takes {ms['layers as on a GPU']:.0f} ms",
        *_simulator(tables),
        *_strontium_titanate(),
    ]


def _simulator(tables: dict[str, Table]) -> list[str]:
    found = read("simulator_agreement")["relative_difference"].values()

    def largest(name, gpts=(192, 384)):
        return max(row[name] for row in found if row["gpts"] in gpts)

    own = [largest("cbed_on_own_slices", [gpts]) for gpts in (192, 384)]
    mean = [largest("haadf_mean", [gpts]) for gpts in (192, 384)]
    speed = tables["simulator_cpu"]
    times = {name: index for index, name in enumerate(speed.columns)}
    tuned, default = (
        span((float(row[times[name]]) for row in speed.rows), 1)
        for name in ("times tuned abTEM", "times abTEM as it comes")
    )
    equal = read("simulator_accuracy_cpu")["equal_haadf"]
    coarse = [row for row in equal if row["error"] > 0.03]
    fine = [row for row in equal if row["error"] <= 0.03]
    return [
        f"patterns agree to {_scientific(largest('cbed_on_abtem_slices'))}",
        f"potentials of its own to {_scientific(own[0])}",
        f"and {_scientific(own[1])} at half that",
        f"ours agree to {_scientific(largest('potential_with_factor'))}, their "
        f"patterns to {_scientific(largest('cbed_with_factor'))} and HAADF to "
        f"{_scientific(largest('haadf_largest_with_factor'))}",
        f"HAADF differs by {mean[0]:.1%} and {mean[1]:.1%}".replace("%", " %"),
        f"{tuned} times as fast as abTEM at its best batch",
        f"{default} times as fast as abTEM as it comes",
        f"at {span(numbers(row[0])[0] for row in speed.rows)} pixels",
        f"{span(row['times_as_fast'] for row in coarse)} times as fast where "
        f"{span(100 * row['error'] for row in coarse)} % are enough",
        f"{span(row['times_as_fast'] for row in fine)} times where 3 % are not",
    ]


def _strontium_titanate() -> list[str]:
    found = read("strontium_titanate")
    ratios = found["column_ratio_simulated"].items()
    thin = re.compile(r"70-130 mrad, (39|78) A")
    spacing = found["spacing_a"]
    larger = [100 * (a / spacing["crystal"] - 1) for a in spacing["experiment"]]
    return [
        f"Sr to Ti columns, {found['column_ratio_experiment']:.2f},",
        f"{min(ratio for name, ratio in ratios if thin.match(name)):.1f} and more",
        f"{min(found['cell_misfit_rms'].values()):.0%} rms".replace("%", " %"),
        f"{span(larger)} % larger",
    ]


def claims(tables: dict[str, Table]) -> dict[str, list[str]]:
    """Phrases by section, with the numbers that results hold now."""
    return {
        MNIST: _mnist(tables),
        SPEED: _speed(),
        DENSITY: _density(tables),
        DISTORTIONS: distortion_claims(tables),
        REDUCTION: reduction_claims(tables),
    }
