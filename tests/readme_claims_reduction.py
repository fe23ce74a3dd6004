"""What the README has to say of gradient reduction in numbers."""

from benchmarks.results_file import read
from benchmarks.table import Table
from tests.readme_cells import cell, span


def _trials(run: dict) -> dict[tuple[str, float], dict]:
    return {(t["candidate"], t["link_gb_per_second"]): t for t in run["trials"]}


def _on_tpu(runs: dict[str, dict]) -> list[str]:
    """The paper network in bfloat16 and ResNet-50 on slices of TPUs."""
    own, told, block = "compiler's own", "compiler's own, async", "per block"

    def share(target, name, link, network="density_paper_bfloat16"):
        trial = _trials(runs[f"{network} on {target}"])[name, link]
        return f"{trial['hidden_share']:.1%}"

    for name in (name for name in runs if name.endswith("on v5e_8")):
        assert all(abs(t["hidden_share"]) < 5e-4 for t in runs[name]["trials"]), name
    steps = {
        name: trial["step_seconds"]
        for (name, link), trial in _trials(runs["resnet50 on v5e_8"]).items()
        if link == 25.0
    }
    shorter = 1 - steps[block] / steps[own]
    resnet = [
        share(f"{slice_}_8", name, 25.0, "resnet50")
        for slice_ in ("v5p", "v6e")
        for name in ("optimal", told, own)
    ]
    said = (
        "{} of ResNet-50's at 25 GB/s, the compiler's asynchronous way {}, its own {}; "
        "on a v6e slice {}, {} and {}"
    )
    return [
        f"hides {share('v5p_8', told, 200.0)} at 200 GB/s and "
        f"{share('v5p_8', told, 25.0)} at 25, a group per block "
        f"{share('v5p_8', block, 200.0)} and {share('v5p_8', block, 25.0)}",
        f"on a v6e slice {share('v6e_8', told, 200.0)} and "
        f"{share('v6e_8', told, 25.0)} (a group per block "
        f"{share('v6e_8', block, 200.0)} and {share('v6e_8', block, 25.0)})",
        said.format(*resnet),
        f"ResNet-50's step is {100 * shorter:.0f} % shorter there in groups per block",
    ]


def _by_default(runs: dict[str, dict]) -> list[tuple[str, float]]:
    """Of small networks on H200: where every plan exposes more than the compiler."""
    found, own = [], "compiler's own"
    names = [f"{network} on h200_" for network in ("resnet50", "dcgan")]
    for name in (one for one in runs if one.startswith(tuple(names))):
        trials = _trials(runs[name])
        for link in dict.fromkeys(link for _, link in trials):
            default = trials[own, link]
            plans = [t for (_, at), t in trials.items() if at == link and t["groups"]]
            best = min(plans, key=lambda trial: trial["exposed_seconds"])
            if best["exposed_seconds"] > default["exposed_seconds"]:
                found.append((name, link))
    return found


def _other_networks(runs: dict[str, dict]) -> list[str]:
    def trials(network, machine="h200_4x8"):
        return _trials(runs[f"{network} on {machine}"])

    def hidden(trial):
        return f"{trial['hidden_share']:.1%}"

    resnet, density = trials("resnet50"), trials("density_reduced")
    own, few, told = "compiler's own", "25 MiB", "50 MiB, told"
    larger = trials("density_reduced", "h200_32x8")
    always = "but for" if _by_default(runs) else "at every link"
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
        f"plans win {always}",
        f"On 32 x 8 at 25 they win, {hidden(larger[told, 25.0])} against "
        f"{hidden(larger[own, 25.0])}",
        "on 4 x 8 they lose at all four links" if all(lost) else "lose at some links",
    ]


def reduction_claims(tables: dict[str, Table]) -> list[str]:
    runs = read("compiled")["runs"]
    paper = runs["density_paper on h200_4x8"]
    ways, shared = tables["compiled_ways"], ("density_paper", "h200_4x8", "25")
    told, own = (cell(ways, n, *shared) for n in ("25 MiB, told", "compiler's own"))
    assert told == cell(tables["compiled"], "hidden", *shared)  # the best plan
    elsewhere = [
        cell(ways, "optimal, told", "density_paper_local", f"h200_{machine}", "25")
        for machine in ("1x8", "32x8")
    ]
    steps = {
        name: trial
        for (name, link), trial in _trials(runs["dcgan on v5p_8"]).items()
        if link == 25.0
    }
    plans = [t["step_seconds"] for t in steps.values() if t["groups"] is not None]
    taken_off = 1 - steps["compiler's own, async"]["step_seconds"] / min(plans)
    model, points = tables["scaling_model"], tables["scaling_model_points"]
    words = tables["control_plane"]
    return [
        f"({paper['num_tensors']} tensors, {2e-6 * paper['num_parameters']:.0f} MB",
        f"the best plan on 4 x 8 hides {told} at 25 GB/s, the compiler's own way {own}",
        f"hide {elsewhere[0]} on 1 x 8 and {elsewhere[1]} on 32 x 8",
        f"{taken_off:.0%} shorter at 25 GB/s than".replace("%", " %"),
        "(at 5, three optimal groups hide {}, it {})".format(
            *(
                cell(ways, name, "dcgan", "v5p_8", "5").split(" ")[0]
                for name in ("optimal", "compiler's own, async")
            )
        ),
        *_on_tpu(runs),
        *_other_networks(runs),
        *_netlab(tables["netlab"]),
        f"efficiency of {float(cell(model, 'static plan', '27,600')):.2f}",
        f"(its published {float(_at_scale(points)):.2f}, if jitter is fitted there",
        "as the bitvector does"
        if f"{float(cell(model, 'bitvector', '27,600')):.2f}"
        == f"{float(cell(model, 'static plan', '27,600')):.2f}"
        else "which the bitvector does not reach",
        f"{cell(model, 'exposed by the static plan [ms]', '27,600')} ms of",
        f"{cell(words, 'word [bytes]', '32', '27,600', 'bitvector')} bytes",
        f"and {cell(words, 'word [bytes]', '161', '27,600', 'bitvector')} for",
    ]


def _at_scale(points: Table) -> str:
    bitvector = "efficiency of the bitvector at 27,600"
    return cell(points, "model", "at scale", bitvector)


def _netlab(table: Table) -> list[str]:
    def rows_of(examples, link):
        return [
            row for row in table.rows if row[:2] == (examples, link) and row[2] != "1"
        ]

    def taken_off(column, examples, link="300 Mbit/s"):
        at = table.columns.index(f"taken off {column}")
        every = rows_of(examples, link)
        return span(float(row[at].rstrip("%")) for row in every)

    slow = "100 Mbit/s"
    thread, rows = "one reduction on the thread", rows_of("8,192", "300 Mbit/s")
    # The compiler's own way and groups on a thread, of all links.
    times = [
        [float(row[table.columns.index(f"{way} [ms]")]) for way in _BESIDE]
        for link in ("loopback", "100 Mbit/s", "300 Mbit/s", "1000 Mbit/s")
        for row in rows_of("8,192", link)
    ]
    return [
        f"take {taken_off(thread, '8,192')} % off one reduction at the end",
        f"({span(float(row[2]) for row in rows)} processes; "
        f"{taken_off('one program', '8,192')} % off",
        f"with half the compute {taken_off(thread, '4,096')} %",
        f"100 Mbit/s {taken_off(thread, '8,192', slow)} % "
        f"({taken_off('one program', '8,192', slow)} % off the program",
        f"half the compute {taken_off(thread, '4,096', slow)} % "
        f"({taken_off('one program', '4,096', slow)} %)",
        f"1 Gbit/s that is {taken_off(thread, '8,192', '1000 Mbit/s')} %, on the "
        f"loopback {taken_off(thread, '8,192', 'loopback')}:",
        "the slowest everywhere but for a single process"
        if all(one > max(groups) for one, *groups in times)
        else "slower in some places",
    ]


_BESIDE = (
    "one program",
    "1 group on a thread",
    *(f"{number} groups on a thread" for number in (2, 4, 8)),
)
