"""Tables say what the result files say, and nothing where nothing was run."""

import csv
import json
import pathlib
import subprocess
import sys

import pytest

from benchmarks import gan_table
from benchmarks.results_file import DIRECTORY
from benchmarks.table import Table
from benchmarks.tables import make_all

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCE = {
    **{"device": "1 x toy", "processor": "1 core", "python": "3", "jax": "0"},
    **{"flax": "0", "date": "2026-01-02", "command": "python -m toy"},
}


def _scores(fid, **more):
    return {
        "step": 8,
        "fid_own_classifier_mnist_r2000_f1000": fid,
        "is_mean_own_classifier_mnist_f1000": 9.0,
        **more,
    }


def _write(directory, name, content):
    (directory / f"{name}.json").write_text(json.dumps({**SOURCE, **content}))


def test_a_table_of_small_results_is_what_is_computed_by_hand(tmp_path):
    runs = {"tuned": [_scores(2.0), _scores(4.0)], "single": [_scores(7.123)]}
    _write(tmp_path, "gan_comparison_mnist", {"runs": runs})
    table = make_all(tmp_path)["gan"]
    rows = {row[:2]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    sharded = rows["mnist", "label-sharded"]
    assert sharded["FID"] == "3.00 ± 1.41" and sharded["IS"] == "9.00 ± 0.00"
    assert sharded["images"] == "1,000 fakes, 2,000 reals"
    assert sharded["features"] == "own_classifier_mnist"
    assert rows["mnist", "single"]["FID"] == "7.12"
    assert rows["mnist", "single"]["intra-class FID"] == ""
    assert set(rows["mnist", "conditional"].values()) == {"mnist", "conditional", ""}
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
        for row in table.rows:
            if "published" not in row[0] + row[1]:
                assert not any(c.isdigit() for cell in row[2:] for c in cell), row


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
    _write(tmp_path, "density_errors", {"table": lines, "title": "Density"})
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
    _write(tmp_path, "compiled", {"runs": runs})
    tables = make_all(tmp_path)
    rows = {row[:2]: row[2:] for row in tables["compiled"].rows}
    assert rows["dcgan", "h200_4x8"] == (
        *("25", "80.0% (2.00 ms)", "per leaf", "32", "60.0% (4.00 ms)", "90.0%"),
        *("compiler's own", "102.00", "102.00"),
    )
    assert set(rows["dcgan", "v5p_8"]) == {""}
    (ways,) = tables["compiled_ways"].rows
    assert ways[-1] == "90.0% (1.00 ms, DOES NOT HOLD)"


def test_what_the_chosen_way_takes_off_is_off_both_ways_of_one_reduction(tmp_path):
    seconds = {"one program": 0.3, "1 group on a thread": 0.2}
    seconds["4 groups on a thread"] = 0.15
    row = {"processes": 2, "link_mbit": 100, "examples": 64, "rounds": 25}
    row |= {"median_seconds": seconds, "chosen": "4 groups on a thread"}
    _write(tmp_path, "netlab", {"rows": [row]})
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


@pytest.mark.parametrize("name", list(make_all()))
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
