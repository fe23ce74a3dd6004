"""What the README's prose has to say in numbers, written from results as they are."""

import re
from collections.abc import Iterable

from benchmarks.results_file import read
from benchmarks.table import Table
from tests.readme_chosen import DENSITY, DISTORTIONS, MNIST, REDUCTION, SPEED


def cell(table: Table, column: str, *names: str) -> str:
    """The cell in `column` of the one row that has all of `names` among its cells."""
    (row,) = [row for row in table.rows if set(names) <= set(row)]
    return row[table.columns.index(column)]


def numbers(text: str) -> list[float]:
    """Numbers of a cell, in order."""
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


def span(values: Iterable[float], digits: int = 0) -> str:
    """The least to the most, as "2 to 2.8"."""
    values = list(values)
    least, most = (f"{f(values):.{digits}f}" for f in (min, max))
    return f"{least.removesuffix('.0')} to {most.removesuffix('.0')}"


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
    fastest = min(ms["torch"], ms["torch channels_last"])
    is_missed = fastest / ms["jax"] < 0.9
    return [
        f"{trained['training_examples']:,} examples",
        f"{trained['steps'][0]:,} steps of {trained['batch_size']} are taken",
        f"batch {step['dense_layer'].partition('x')[0]} on two cores, take "
        f"{ms['jax']:.0f} ms, PyTorch's {ms['torch channels_last']:.0f} ms with "
        f"channels last: {fastest / ms['jax']:.2f} of "
        "its speed, and the target of 0.9 is " + ("missed" if is_missed else "met"),
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


def _distortions(tables: dict[str, Table]) -> list[str]:
    trained, one = read("stem_distortion"), tables["stem_distortion"]
    together = cell(tables["stem_distortion_splits"], _ALL, "materials", "network")
    together = numbers(together)
    inside = [numbers(row[one.columns.index("68 / 95 %")])[::3] for row in one.rows]
    return [
        f"{trained['crystals']:,} crystals",
        f"{trained['num_steps']:,} steps of {trained['batch_size']} images, "
        f"{trained['energy_ev'] / 1e3:.0f} kV",
        f"of {trained['num_examples']} crystals",
        f"hold {together[0]:.0f} and {together[3]:.0f} % of all targets together",
        f"of single targets {span(share for share, _ in inside)} % and "
        f"{span(share for _, share in inside)} %",
        *_bounds(tables["distortion_bounds"], one),
        *_beside_the_mean(tables["stem_distortion_splits"], one),
        *_classes(tables["tilt_classes"]),
        *_measured(tables["measured_distortions"]),
    ]


_ALL = "68 / 95 % of all targets"
_IN_PHASE = "tilt_repeating_z_P0_deg"
_TOLD = (_IN_PHASE, *(f"shift_{ion}_{axis}_P0_pm" for ion in "BO" for axis in "xy"))


def _bounds(bounds: Table, errors: Table) -> list[str]:
    def bound(target, column="HAADF+ABF+iDPC"):  # with the prior, in brackets
        return cell(bounds, column, target).partition("(")[2].rstrip(")")

    def mean(target):
        return cell(errors, "mean", target).split(" ")[0]

    a, b, o = (bound(f"shift_{ion}_x_P0_pm") for ion in "ABO")
    x, y, z = (f"tilt_alternating_{axis}_P0_deg" for axis in "xyz")
    return [
        f"{bound(_IN_PHASE)} degrees of in-phase tilt about the beam, {a} pm of A, {b} "
        f"of B, {o} of O",
        f"x and y {bound(x)} degrees where the mean errs by {mean(x)}",
        f"out-of-phase tilts about the beam {bound(z)} of {mean(z)}",
        f"{bound(_IN_PHASE, 'ABF')} degrees about the beam and {bound(x, 'ABF')} and "
        f"{bound(y, 'ABF')} across it",
    ]


def _beside_the_mean(splits: Table, errors: Table) -> list[str]:
    def rmse(column, *names):
        return cell(splits, column, *names).split(" ")[0]

    tilt, b = "tilt_z_in_phase_deg", "B_pm"
    better = [
        float(rmse(name, "materials", "mean"))
        / float(rmse(name, "materials", "network"))
        for name in (tilt, b, "O_pm")
    ]
    worse = [
        numbers(cell(errors, "network", target))[0]
        / float(cell(errors, "bound with prior", target))
        for target in _TOLD
    ]
    other = {
        name: f"{rmse(name, 'settings', 'network')} of {rmse(name, 'settings', 'mean')}"
        for name in (tilt, b)
    }
    return [
        f"{span(better, 1)} times better than the mean but {span(worse, 1)} times "
        "worse",
        f"({rmse('A_pm', 'materials', 'peak fit of HAADF')})",
        f"tilt {other[tilt]}, B {other[b]}",
    ]


def _classes(table: Table) -> list[str]:
    network, low, high = numbers(cell(table, "network", "materials").replace("-", " "))
    return [
        f"{network:.0f} % ({low:.0f} to {high:.0f}) on held-out compounds",
        f"chance: {cell(table, 'chance', 'materials')} %",
    ]


def _measured(table: Table) -> list[str]:
    cells = read("measured_distortions")["images"]["strontium_titanate"]["cells"]
    name = "mean over cells"
    tilt = "tilt_repeating_z_P0_deg"
    b = [f"shift_B_{axis}_P0_pm" for axis in "xy"]
    cubic = [row for row in table.rows if row[0] == "strontium_titanate"]
    zero = [row for row in cubic if row[-1] == "yes"]
    columns = [row for row in table.rows if row[0] == "oxide"]
    spread, error = (
        [float(row[table.columns.index(name)]) for row in columns]
        for name in ("spread", "68 %")
    )
    return [
        f"over {cells[0]} x {cells[1]} cells",
        f"in all {len(zero)} targets" if len(zero) == len(cubic) else "not in all",
        f"by {span(spread, 1)} pm, each known to {span(error, 1)}",
        f"{cell(table, name, tilt)} degrees",
        f"{cell(table, '68 %', tilt)}), B "
        f"{cell(table, name, b[0])} and {cell(table, name, b[1])} pm "
        f"({cell(table, '68 %', b[0])} and {cell(table, '68 %', b[1])})",
    ]


def _on_tpu(trials: list[dict]) -> list[str]:
    hidden = {(t["candidate"], t["link_gb_per_second"]): t for t in trials}

    def share(name, link):
        return f"{hidden[name, link]['hidden_share']:.1%}"

    own, block = "compiler's own, async", "per block"
    return [
        f"hides {share(own, 200.0)} at 200 GB/s and {share(own, 25.0)} at 25, a group "
        f"per block {share(block, 200.0)} and {share(block, 25.0)}"
    ]


def _by_default(runs: dict[str, dict]) -> list[str]:
    """Of small networks on H200: where every plan exposes more than the compiler."""
    found, own = [], "compiler's own"
    names = [f"{network} on h200_" for network in ("resnet50", "dcgan")]
    for name in (one for one in runs if one.startswith(tuple(names))):
        by_link = {}
        for trial in runs[name]["trials"]:
            by_link.setdefault(trial["link_gb_per_second"], []).append(trial)
        for link, every in by_link.items():
            plans = [t for t in every if t["groups"] is not None]
            (default,) = [t for t in every if t["candidate"] == own]
            best = min(plans, key=lambda trial: trial["exposed_seconds"])
            if best["exposed_seconds"] > default["exposed_seconds"]:
                hidden = [f"{t['hidden_share']:.1%}" for t in (default, best)]
                found.append(
                    f"{name} at {link:g} GB/s it hides {hidden[0]}, the best plan "
                    f"{hidden[1]}"
                )
    return found


def _other_networks(runs: dict[str, dict]) -> list[str]:
    def trials(network, machine="h200_4x8"):
        found = runs[f"{network} on {machine}"]["trials"]
        return {(t["candidate"], t["link_gb_per_second"]): t for t in found}

    def hidden(trial):
        return f"{trial['hidden_share']:.1%}"

    resnet, density = trials("resnet50"), trials("density_reduced")
    own, few, told = "compiler's own", "25 MiB", "50 MiB, told"
    larger = trials("density_reduced", "h200_32x8")
    (once,) = _by_default(runs)
    once = once.replace("resnet50 on h200_1x8", "ResNet-50 on 1 x 8")
    shorter = 1 - resnet[few, 25.0]["step_seconds"] / resnet[own, 25.0]["step_seconds"]
    lost = [
        every["optimal", link]["exposed_seconds"] > every[own, link]["exposed_seconds"]
        for every in (trials("density_paper"), density)
        for link in (200.0, 50.0, 25.0, 5.0)
    ]
    return [
        f"On 4 x 8 at 25 GB/s it hides {hidden(resnet[own, 25.0])} of ResNet-50's, "
        f"{resnet[few, 25.0]['groups']} groups of at most 25 MiB "
        f"{hidden(resnet[few, 25.0])}, and a step is {100 * shorter:.0f} % shorter",
        f"{hidden(density[told, 50.0])} at 50 GB/s (the compiler's own way "
        f"{hidden(density[own, 50.0])}), but {hidden(density[told, 25.0])} at 25 "
        f"({hidden(density[own, 25.0])})",
        f"plans win but once: of {once}",
        f"On 32 x 8 at 25 they win, {hidden(larger[told, 25.0])} against "
        f"{hidden(larger[own, 25.0])}",
        "on 4 x 8 they lose at all four links" if all(lost) else "lose at some links",
    ]


def _reduction(tables: dict[str, Table]) -> list[str]:
    runs = read("compiled")["runs"]
    paper = runs["density_paper on h200_4x8"]
    ways, local = tables["compiled_ways"], ("density_paper_local", "h200_4x8", "25")
    told, own = (cell(ways, n, *local) for n in ("50 MiB, told", "compiler's own"))
    steps = {t["candidate"]: t for t in runs["dcgan on v5p_8"]["trials"]}
    plans = [t["step_seconds"] for t in steps.values() if t["groups"] is not None]
    taken_off = 1 - steps["compiler's own, async"]["step_seconds"] / min(plans)
    model, points = tables["scaling_model"], tables["scaling_model_points"]
    words = tables["control_plane"]
    return [
        f"({paper['num_tensors']} tensors, {2e-6 * paper['num_parameters']:.0f} MB",
        f"then hide {told}, the compiler's own way {own}",
        f"{taken_off:.0%} shorter than".replace("%", " %"),
        *_on_tpu(runs["density_paper_bfloat16 on v5p_8"]["trials"]),
        *_other_networks(runs),
        *_netlab(tables["netlab"]),
        f"efficiency of {float(cell(model, 'static plan', '27,600')):.2f}",
        f"(the bitvector {float(_at_scale(points)):.2f}, as published, if jitter is "
        "fitted there",
        f"{cell(model, 'exposed by the static plan [ms]', '27,600')} ms of",
        f"{cell(words, 'word [bytes]', '32', '27,600', 'bitvector')} bytes",
        f"and {cell(words, 'word [bytes]', '161', '27,600', 'bitvector')} for",
    ]


def _at_scale(points: Table) -> str:
    bitvector = "efficiency of the bitvector at 27,600"
    return cell(points, "model", "at scale", bitvector)


def _netlab(table: Table) -> list[str]:
    def taken_off(column, examples):
        at = table.columns.index(f"taken off {column}")
        rows = [r for r in table.rows if r[:2] == (examples, "300 Mbit/s")]
        return span(numbers(row[at])[0] for row in rows), rows

    thread, rows = taken_off("one reduction on the thread", "8,192")
    return [
        f"take {thread} % off one reduction at the end",
        f"({span(float(row[2]) for row in rows)} processes; "
        f"{taken_off('one program', '8,192')[0]} % off",
        f"{taken_off('one reduction on the thread', '4,096')[0]} %; on the loopback",
    ]


def claims(tables: dict[str, Table]) -> dict[str, list[str]]:
    """Phrases by section, with the numbers that results hold now."""
    return {
        MNIST: _mnist(tables),
        SPEED: _speed(),
        DENSITY: _density(tables),
        DISTORTIONS: _distortions(tables),
        REDUCTION: _reduction(tables),
    }
