"""Tables of starts say how often each was measured."""

from benchmarks.tables import make_all
from tests.benchmarks.small_results import SOURCE, write_small


def test_a_start_says_how_often_it_was_measured(tmp_path):
    once = {"median_seconds_to_first_step": 9.6, "median_core_seconds": 13.9}
    once |= {"all_seconds_to_first_step": [9.6]}
    often = {**once, "all_seconds_to_first_step": [9.6, 9.1, 12]}
    often["all_core_seconds"] = [13.9, 13.8, 14]
    states = ("cold", "warm", "compiled anew")
    runs = {"digits:tuned": dict.fromkeys(states, once)}
    runs["cifar100:smoke"] = dict.fromkeys(states, often)
    more = {"without_data": ["imagenet:smoke"]}
    more["made"] = {"digits:tuned": {**SOURCE, "date": "2025-12-31"}}
    write_small(tmp_path, "start_up_cpu", {"runs": runs, **more})
    table = make_all(tmp_path)["start_up"]
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["digits:tuned"] == ("1", *["9.6"] * 3, *["13.9"] * 3)
    assert rows["cifar100:smoke"] == (
        *("3", *["9.6 (9.1-12.0)"] * 3, *["13.9 (13.8-14.0)"] * 3),
    )
    assert set(rows["imagenet:smoke"]) == {""}
    notes = [note.partition(": ")[::2] for note in table.notes]
    assert "2025-12-31" in dict(notes)["digits:tuned"]
    assert "2026-01-02" in dict(notes)["cifar100:smoke"]
    assert (
        "imagenet:smoke" in dict(notes)["Not measured, for their data was not at hand"]
    )


def test_reading_is_shown_for_every_way_and_number_of_processes(tmp_path):
    row = {"processes": 2, "way": "ours, first start", "median_seconds": 3.0}
    row |= {"median_core_seconds": 5.0, "all_seconds": [3, 2, 4.04]}
    row |= {"all_core_seconds": [5, 5, 5], "median_read_mb": 310.4}
    row["median_memory_mb"] = 9
    runs = {"16": [{**row, "processes": 16}], "2": [row]}
    write_small(tmp_path, "start_up_reading_cpu", {"runs": runs})
    cells, last = make_all(tmp_path)["start_up_reading"].rows
    assert last[0] == "16"
    assert cells == (
        *("2", "ours, first start", "3.0 (2.0-4.0)", "5.0 (5.0-5.0)", "310", "9"),
    )
