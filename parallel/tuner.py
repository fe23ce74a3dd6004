"""Chooses how gradients are reduced by what the compiler makes of each way.

The compiler's own way is one of the candidates: a plan must beat it or step aside.
"""

import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from parallel import latency_profile
from parallel.compiler_options import asynchronous_options, compiler_options
from parallel.hlo_program import read_program
from parallel.link_cost import LinkCost
from parallel.plan_check import check_plan
from parallel.production_order import Gradient
from parallel.reduction import Reduction, mean_over, planned
from parallel.reduction_plan import ReductionPlan, make_plan
from parallel.schedule_cost import Machine, Prediction, predict

_MIB = 1 << 20
DEFAULT = "compiler's own"
# Tried with predicted durations as well.
_ALSO_TOLD = (DEFAULT, "25 MiB", "50 MiB", "optimal")


class Candidate(NamedTuple):
    """One way to reduce.

    Attributes:
      name: for people.
      reduction: handed to the step.
      options: of the compiler, that belong to it.
      plan: what the compiled program is held against; None for the compiler's own.
      told_for: the platform whose compiler is told what every instruction is predicted
        to take (see `latency_profile`), which takes a second compilation; "" for none.
    """

    name: str
    reduction: Reduction
    options: dict[str, str | int | bool]
    plan: ReductionPlan | None
    told_for: str = ""


class Trial(NamedTuple):
    """What the compiler made of a candidate.

    Attributes:
      candidate: that was compiled, with all options that it was compiled with.
      prediction: of its schedule.
      holds: whether the program does as planned; true where nothing was planned.
      least_seconds: of compute, of all candidates that were tried beside it.
    """

    candidate: Candidate
    prediction: Prediction
    holds: bool
    least_seconds: float

    @property
    def exposed_seconds(self) -> float:
        """Of a step, what lies beyond the least compute of any candidate.

        One measure for all. A way's own compute holds what it adds: the packing and
        unpacking of groups, fusions that its options forbid. Judged by that, it could
        hide communication behind nothing but its own waste.
        """
        return self.prediction.step_seconds - self.least_seconds

    @property
    def hidden_share(self) -> float:
        """Of the communication that does not make the step longer, from 0 to 1.

        Of a way whose own compute is longer by more than its communication takes, 0.
        """
        if not self.prediction.communication_seconds:
            return 1.0
        share = 1 - self.exposed_seconds / self.prediction.communication_seconds
        return max(0.0, share)


def candidates(
    gradients: Sequence[Gradient],
    cost: LinkCost,
    axis_name: str,
    platform: str,
    wire_dtype: str | None = None,
    device_kind: str = "",
) -> list[Candidate]:
    """Lists the ways that are worth a trial, the compiler's own first.

    Args:
      gradients: in production order.
      cost: that optimal groups are made for.
      axis_name: mesh axis to reduce over.
      platform: of the compiler options.
      wire_dtype: in which gradients travel, in all candidates alike.
      device_kind: see `compiler_options`.
    """
    plans = {
        "per leaf": make_plan(gradients, "per_leaf", wire_dtype=wire_dtype),
        "one group": make_plan(gradients, "one", wire_dtype=wire_dtype),
        "per block": make_plan(gradients, "per_block", wire_dtype=wire_dtype),
        **{
            f"{n} chunks": make_plan(
                gradients, "chunks", num_groups=n, wire_dtype=wire_dtype
            )
            for n in (4, 8)
        },
        **{
            f"{n} MiB": make_plan(
                gradients,
                "byte_bounds",
                first=_MIB,
                largest=n * _MIB,
                last=_MIB,
                wire_dtype=wire_dtype,
            )
            for n in (25, 50)
        },
        "optimal": make_plan(gradients, "optimal", cost=cost, wire_dtype=wire_dtype),
    }
    options = compiler_options(platform, device_kind)
    ours = [
        Candidate(name, planned(plan, axis_name), options, plan)
        for name, plan in plans.items()
    ]
    mean = mean_over(axis_name, wire_dtype)
    own = [Candidate(DEFAULT, mean, {}, None)]
    if asynchronous := asynchronous_options(device_kind):
        own.append(Candidate(f"{DEFAULT}, async", mean, asynchronous, None))
    every = [*own, *ours]
    if platform in latency_profile.PLATFORMS:
        every += [
            candidate._replace(name=f"{candidate.name}, told", told_for=platform)
            for candidate in every
            if candidate.name in _ALSO_TOLD
        ]
    return every


def try_all(
    every: Sequence[Candidate],
    compile_step: Callable[[Reduction, dict], str],
    machine: Machine,
    profiles: pathlib.Path = pathlib.Path("runs/profiles"),
) -> list[Trial]:
    """Compiles every candidate and predicts its step.

    Args:
      every: candidates.
      compile_step: (reduction, compiler options) -> optimized HLO of the whole step.
      machine: that the schedules are replayed on.
      profiles: where predicted durations are kept; a step that was compiled with them
        needs its file again when it is compiled again.

    Returns:
      Trials, best first: what holds before what does not, then by the step, and so
      by what is exposed of it.
    """
    found = []
    for candidate in every:
        text = compile_step(candidate.reduction, candidate.options)
        if candidate.told_for:
            told = latency_profile.profile_options(
                candidate.told_for, text, machine, profiles
            )
            candidate = candidate._replace(options=candidate.options | told)
            text = compile_step(candidate.reduction, candidate.options)
        holds = candidate.plan is None or check_plan(candidate.plan, text).holds
        found.append((candidate, predict(read_program(text), machine), holds))
    least = min(prediction.compute_seconds for _, prediction, _ in found)
    trials = [Trial(*one, least) for one in found]
    return sorted(trials, key=lambda t: rank(t.holds, t.prediction.step_seconds))


def rank(holds: bool, step_seconds: float) -> tuple[bool, float]:
    """What ways to reduce are sorted by, see `try_all`; the smallest is kept."""
    return not holds, step_seconds


def table(trials: Sequence[Trial]) -> str:
    """One line per trial."""
    lines = ["candidate               holds  groups   step [ms]  exposed [ms]  hidden"]
    for trial in trials:
        seen, plan = trial.prediction, trial.candidate.plan
        groups = len(plan.groups) if plan else ""
        lines.append(
            f"{trial.candidate.name:22s}  {'yes' if trial.holds else 'NO':5s}  "
            f"{groups!s:>6s}  {1e3 * seen.step_seconds:10.3f}  "
            f"{1e3 * trial.exposed_seconds:12.3f}  {trial.hidden_share:6.1%}"
        )
    return "\n".join(lines)
