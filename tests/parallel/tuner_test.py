"""The tuner takes what the compiled program says, the compiler's own way included."""

import pytest

from parallel.compiler_options import compiler_options
from parallel.latency_profile import latency_profile
from parallel.mesh import DATA_AXIS
from parallel.reduction import mean_over, planned
from parallel.schedule_cost import Machine, Prediction
from parallel.tuner import DEFAULT, Candidate, Trial, candidates, table, try_all
from tests.parallel.planned_steps import COST, compiled_step, gradients, plan_of

MACHINE = Machine(1e9, 1e9, 1e-6, 1e6, 1e-3)


def _text(reduction, options):
    return compiled_step(reduction, options="cpu" if options else None).as_text()


@pytest.fixture(scope="module")
def trials():
    every = candidates(gradients(), COST, DATA_AXIS, "cpu")
    return try_all(every, _text, MACHINE)


def test_the_shortest_step_that_holds_comes_first_and_exposes_least(trials):
    assert DEFAULT in [trial.candidate.name for trial in trials]
    assert all(trial.holds for trial in trials)
    for seconds in (
        [t.prediction.step_seconds for t in trials],
        [t.exposed_seconds for t in trials],
    ):
        assert seconds == sorted(seconds)


def test_where_starting_is_dear_and_nothing_overlaps_many_groups_lose(trials):
    """A CPU's collectives are synchronous, and here each costs a millisecond."""
    names = [trial.candidate.name for trial in trials]
    assert names[-1] == "per leaf"
    assert names.index("one group") < names.index("per block")


def test_what_does_not_hold_stands_behind_all_that_does():
    plan = plan_of("chunks")
    broken = Candidate("merged", planned(plan, DATA_AXIS), {}, plan)
    sound = Candidate("sound", planned(plan, DATA_AXIS), compiler_options("cpu"), plan)
    own = Candidate(DEFAULT, mean_over(DATA_AXIS), {}, None)
    trials = try_all([broken, sound, own], _text, MACHINE)
    assert [trial.candidate.name for trial in trials][-1] == "merged"
    assert [trial.holds for trial in trials] == [True, True, False]


def test_what_a_way_hides_behind_its_own_waste_is_exposed():
    """Packing, or fusions that its options forbid, would hide its communication."""
    plan = plan_of("chunks")
    packs = Candidate("packs", planned(plan, DATA_AXIS), {}, plan)
    own = packs._replace(name=DEFAULT, plan=None)
    for candidate in (packs, own):
        trial = Trial(candidate, Prediction(10.5, 10.5, 2.0, 1), True, 10.0)
        assert trial.exposed_seconds == 0.5 and trial.hidden_share == 0.75
        longest = trial._replace(prediction=Prediction(15.0, 13.0, 2.0, 1))
        assert longest.hidden_share == 0


def test_the_table_names_every_way(trials):
    text = table(trials)
    assert all(trial.candidate.name in text for trial in trials)
    assert len(text.splitlines()) == 1 + len(trials)


def test_only_compilers_that_read_a_profile_are_told_and_once_per_machine(tmp_path):
    every = candidates(gradients(), COST, DATA_AXIS, "gpu")
    told = [candidate for candidate in every if candidate.told_for]
    assert told and all(c.name.endswith(", told") for c in told)
    assert not any(c.told_for for c in candidates(gradients(), COST, DATA_AXIS, "cpu"))
    plan = plan_of("chunks")
    options = compiler_options("cpu")
    one = Candidate("told", planned(plan, DATA_AXIS), options, plan, told_for="gpu")
    asked, text = [], compiled_step(one.reduction, options="cpu").as_text()

    def compile_step(reduction, options):
        asked.append(options)
        return text

    (trial,) = try_all([one], compile_step, MACHINE, tmp_path)
    (profile,) = tmp_path.iterdir()
    assert asked == [options, trial.candidate.options]
    assert set(asked[1].values()) - set(options.values()) == {str(profile)}
    assert profile.read_text() == latency_profile(text, MACHINE)
