"""Tables say what the result files say, and nothing where nothing was run."""

import csv
import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import gan_table, results_file
from benchmarks.results_file import DIRECTORY
from benchmarks.table import Table, source
from benchmarks.tables import make_all
from tests.benchmarks.small_results import SOURCE, write_small

# Models, which need no results.
COMPUTED = ("weak_scaling_model", "control_plane", "scaling_model")
COMPUTED += ("scaling_model_points",)
ROOT = pathlib.Path(__file__).resolve().parents[2]


def _scores(fid, **more):
    return {
        "step": 8,
        "fid_own_classifier_mnist_e3_r2000_f1000": fid,
        "is_mean_own_classifier_mnist_e3_f1000": 9.0,
        **more,
    }


def test_a_table_of_small_results_is_what_is_computed_by_hand(tmp_path):
    runs = {"tuned": [_scores(2.0), _scores(4.0)], "single": [_scores(7.123)]}
    write_small(tmp_path, "gan_comparison_mnist", {"runs": runs})
    table = make_all(tmp_path)["gan"]
    rows = {row[:2]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    sharded = rows["mnist", "label-sharded"]
    assert sharded["FID"] == "3.00 ± 1.41" and sharded["IS"] == "9.00 ± 0.00"
    assert sharded["images"] == "1,000 fakes, 2,000 reals"
    assert sharded["features"] == "own_classifier_mnist_e3"
    assert rows["mnist", "single"]["FID"] == "7.12"
    assert rows["mnist", "single"]["intra-class FID"] == ""
    assert set(rows["mnist", "conditional"].values()) == {"mnist", "conditional", ""}
    assert f"mnist, label-sharded and single: {source(SOURCE)[0]}" in table.notes
    published = rows["cifar10", "BigGAN (published: PyTorch-StudioGAN)"]
    assert (published["IS"], published["FID"]) == ("9.96", "4.16")
    # The paper's own numbers are not at hand.
    paper = rows["cifar10", "label-sharded DC-GANs (published: arXiv:2102.10485)"]
    assert [name for name, cell in paper.items() if cell] == ["data", "method"]
    assert "1 x toy" in table.markdown() and "2026-01-02" in table.markdown()


def test_without_results_every_table_is_made_and_holds_nothing_of_ours(tmp_path):
    tables = make_all(tmp_path)
    assert {"gan", "weak_scaling", "control_plane", "speed", "start_up"} <= set(tables)
    for table in tables.values():
        table.write(tmp_path / "out")
        if table.name in COMPUTED:
            assert table.rows and all(map(all, table.rows)), table.name
            continue
        for row in table.rows:
            if "published" not in row[0] + row[1]:
                assert not any(c.isdigit() for cell in row[2:] for c in cell), row


def test_every_variant_names_the_command_that_made_it(tmp_path):
    runs = {"tuned": [_scores(2.0)], "single": [_scores(7.1)]}
    made = {"tuned": {**SOURCE, "date": "2025-12-31", "command": "python -m older"}}
    write_small(tmp_path, "gan_comparison_mnist", {"runs": runs, "made": made})
    notes = make_all(tmp_path)["gan"].notes
    (sharded,) = [n for n in notes if n.startswith("mnist, label-sharded: ")]
    (single,) = [n for n in notes if n.startswith("mnist, single: ")]
    assert "2025-12-31" in sharded and "`python -m older`" in sharded
    assert "2026-01-02" in single and "`python -m toy`" in single


def test_variants_that_were_not_run_again_stay_with_what_they_were_made_with():
    before = {**SOURCE, "fields": [], "runs": {"tuned": [1], "single": [2]}}
    others = results_file.kept(before, [], ["single"])
    assert others["tuned"]["runs"] == [1] and list(others) == ["tuned"]
    assert others["tuned"]["made"] == SOURCE
    # Nor does a third command forget what the first was made with.
    between = {**before, "date": "2026-02-03", "made": {"tuned": SOURCE}}
    others = results_file.kept(between, [], ["single"])
    assert others["tuned"]["made"]["date"] == SOURCE["date"]
    assert results_file.kept(before, ["num_steps=9"], ["single"]) == {}
    assert results_file.kept({}, [], ["single"]) == {}


def test_a_command_is_recorded_as_it_was_given_less_the_paths_of_a_machine(monkeypatch):
    given = ["--rounds=2", "--torch_python=/a/b", "--set=dataset.data_dir=/c,x=1"]
    monkeypatch.setattr(sys, "argv", ["/d/benchmarks/start_up.py", *given])
    told = "python -m benchmarks.start_up --rounds=2 --torch_python=PATH"
    assert results_file.command() == f"{told} --set=dataset.data_dir=PATH,x=1"


def _finished_run(path, seed, fid, num_steps=8):
    path.mkdir()
    config = {
        "seed": seed,
        "num_steps": num_steps,
        "dataset": {"name": "digits", "cache_dir": str(path)},
        "model": {"conditioning": "class"},
        "parallel": {"entry_loop": "auto"},
    }
    (path / "config.json").write_text(json.dumps(config))
    lines = [
        {**_scores(99.0), "step": 4},
        _scores(fid),
        {**_scores(50.0), "checkpoint": "best"},
    ]
    (path / "eval.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines))
    return str(path)


def test_finished_runs_that_differ_by_their_seed_make_one_row(tmp_path):
    workdirs = [_finished_run(tmp_path / str(s), s, fid) for s, fid in [(0, 2), (1, 4)]]
    longer = _finished_run(tmp_path / "longer", 0, 1.0, num_steps=16)
    with pytest.raises(ValueError, match="longer: no scores of step 16"):
        gan_table.rows_of_workdirs([longer])
    (row,) = gan_table.rows_of_workdirs(workdirs)
    cells = dict(zip(gan_table.COLUMNS, row, strict=True))
    assert cells["data"] == "digits" and cells["runs"] == "2 seeds"
    assert cells["method"].startswith("conditional (8 steps")
    assert cells["FID"] == "3.00 ± 1.41"


def test_a_result_with_a_table_of_its_own_is_printed_by_its_name(tmp_path):
    lines = ["| what | error |", "|---|---|", "| ours | 0.25 |", "| mean | |"]
    write_small(tmp_path, "density_errors", {"table": lines, "title": "Density"})
    table = make_all(tmp_path)["density_errors"]
    assert table.title == "Density"
    assert table.columns == ("what", "error")
    assert table.rows == (("ours", "0.25"), ("mean", ""))


def _trial(link, candidate, groups, step, exposed, holds=True):
    return {
        **{"link_gb_per_second": link, "candidate": candidate, "groups": groups},
        **{"holds": holds, "step_seconds": step, "exposed_seconds": exposed},
        "hidden_share": 1 - exposed / 0.010,
    }


def test_the_compilers_own_way_stands_beside_the_best_plan_that_holds(tmp_path):
    trials = [
        _trial(25.0, "compiler's own", None, 0.102, 0.002),
        _trial(25.0, "per leaf", 32, 0.104, 0.004),
        _trial(25.0, "one group", 1, 0.101, 0.001, holds=False),
    ]
    bounds = [
        {"link_gb_per_second": 25.0, "exposed_seconds": 0.001, "hidden_share": 0.9}
    ]
    runs = {"dcgan on h200_4x8": {"trials": trials, "bounds": bounds}}
    write_small(tmp_path, "compiled", {"runs": runs})
    tables = make_all(tmp_path)
    rows = {row[:3]: row[3:] for row in tables["compiled"].rows}
    assert rows["dcgan", "h200_4x8", "25"] == (
        *("80.0% (2.00 ms)", "per leaf", "32", "60.0% (4.00 ms)", "90.0%"),
        *("compiler's own", "102.00", "102.00"),
    )
    # What was not run has a row too: of a link, and of a whole machine.
    assert set(rows["dcgan", "h200_4x8", "5"]) == {""}
    assert set(rows["dcgan", "v5p_8", ""]) == {""}
    (ways,) = tables["compiled_ways"].rows
    assert ways[-1] == "90.0% (1.00 ms, DOES NOT HOLD)"


def test_a_time_stands_beside_the_fastest_peer_its_spread_and_its_target(tmp_path):
    every = {"jax a": [9, 8, 10], "jax b": [12, 12, 12]}
    every |= {"torch": [9, 20, 10.8], "torch vmap": [30, 30, 30]}
    medians = {"jax a": 9, "jax b": 12, "torch": 10.8, "torch vmap": 30}
    step = {"all_ms_per_step": every, "median_ms_per_step": medians, "torch": "2"}
    write_small(tmp_path, "gan_step_10_pairs_cpu", {**step, "features": ["64", "32"]})
    write_small(tmp_path, "gan_step_cpu", {**step, "features": ["512", "256", "128"]})
    passes = {"jax": 100, "torch": 95.0, "torch channels_last": 79.2}
    density = {"median_ms_forward_and_backward": passes, "torch": "2"}
    density |= {"dense_layer": "16x32x32x120 -> 24, 3x3"}
    write_small(tmp_path, "step_time_cpu", density)
    rows = {row[0]: row[1:] for row in make_all(tmp_path)["speed"].rows}
    spread = ("9 (8-10) ms", "11 (9-20) ms (torch 2)", "0.83")
    assert rows["one step of 10 pairs of 64-32 channels, CPU"] == (
        *(*spread, "1.20 (target 1.2: met)"),
    )
    assert rows["one DC-GAN training step, CPU"] == (
        *(*spread, "1.20 (target 1.0: met)"),
    )
    assert rows["forward and backward of FC-DenseNet, batch 16, CPU"] == (
        *("100 ms", "79 ms (torch channels_last 2)", "1.26"),
        "0.79 (target 0.9: missed)",
    )
    assert rows["one step of 100 pairs, CPU"] == ("",) * 4


def test_what_torch_compile_gains_is_a_ratio_of_the_fastest_of_each_kind(tmp_path):
    medians = {"jax a": 10, "jax b": 20, "torch": 15, "torch vmap": 12}
    medians |= {"torch compile": 9, "torch compile vmap": 30}
    unable = {"torch compile channels_last": "why"}
    step = {"median_ms_per_step": medians, "cannot_run": unable, "torch": "2"}
    step |= {"features": ["128", "64", "32"], "all_ms_per_step": {}}
    write_small(tmp_path, "gan_step_10_pairs_cpu", step)
    table = make_all(tmp_path)["torch_compile"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["one step of 10 pairs, CPU"] == (
        *("torch vmap", "torch compile", "1.33", "1.20", "0.90"),
    )
    assert set(rows["one DC-GAN training step, CPU"]) == {""}
    assert "torch compile channels_last could not run there: why" in table.notes


def test_a_peer_that_could_not_run_is_named(tmp_path):
    medians = {"jax": 9, "torch": 10}
    step = {"median_ms_per_step": medians, "all_ms_per_step": {}, "torch": "2"}
    step |= {"features": ["512", "256", "128"], "cannot_run": {"torch compile": "why"}}
    write_small(tmp_path, "gan_step_cpu", step)
    notes = make_all(tmp_path)["speed"].notes
    assert "torch compile could not run there: why" in notes


def test_what_the_chosen_way_takes_off_is_off_both_ways_of_one_reduction(tmp_path):
    seconds = {"one program": 0.3, "1 group on a thread": 0.2}
    seconds["4 groups on a thread"] = 0.15
    row = {"processes": 2, "link_mbit": 100, "examples": 64, "rounds": 25}
    row |= {"median_seconds": seconds, "chosen": "4 groups on a thread"}
    write_small(tmp_path, "netlab", {"rows": [row]})
    (cells,) = make_all(tmp_path)["netlab"].rows
    assert cells[:3] == ("64", "100 Mbit/s", "2")
    assert cells[3:] == (
        *("300.0", "200.0", "150.0", "4 groups on a thread", "50%", "25%"),
    )


def test_a_table_is_written_three_ways(tmp_path):
    def draw(axes):
        axes.plot([1, 2], [3, 4], label="line")

    table = Table("small", "Small", ("a", "b"), (("x, y", "1"), ("z", "")), (), draw)
    table.write(tmp_path)
    lines = (tmp_path / "small.md").read_text().splitlines()
    assert lines[2:] == ["| a | b |", "|---|---|", "| x, y | 1 |", "| z |  |"]
    with (tmp_path / "small.csv").open() as file:
        assert list(csv.reader(file)) == [["a", "b"], ["x, y", "1"], ["z", ""]]
    picture = (tmp_path / "small.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    table.write(tmp_path)
    assert (tmp_path / "small.png").read_bytes() == picture


def test_a_row_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="small"):
        Table("small", "Small", ("a", "b"), (("x",),))


KEPT = sorted(path.stem for path in (DIRECTORY / "tables").glob("*.md"))


def test_every_table_is_kept():
    assert sorted(make_all()) == KEPT


@pytest.mark.parametrize("name", KEPT)
def test_the_tables_that_are_kept_are_those_the_results_make(name):
    table, kept = make_all()[name], DIRECTORY / "tables"
    remedy = "run `make tables` and commit benchmarks/results/tables"
    assert (kept / f"{name}.md").read_text() == table.markdown(), remedy
    assert (kept / f"{name}.csv").read_text() == table.csv(), remedy
    assert (kept / f"{name}.png").exists() is bool(table.draw), remedy


def test_the_command_prints_and_writes_one_table_or_names_those_there_are(tmp_path):
    def run(name):
        command = [sys.executable, "-m", "benchmarks.tables", f"--table={name}"]
        command += [f"--out={tmp_path}"]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = run("rates")
    assert done.returncode == 0, done.stderr
    assert "55.8 | 77.9" in done.stdout and done.stdout.count("###") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"rates.md", "rates.csv"}
    wrong = run("rate")
    assert wrong.returncode != 0 and "weak_scaling" in wrong.stdout + wrong.stderr
