"""One small round of the measurement, with devices and with processes."""

import json
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = """
import pathlib, runpy, sys
from benchmarks import results_file

results_file.DIRECTORY = pathlib.Path(sys.argv.pop())
runpy.run_module("benchmarks.weak_scaling", run_name="__main__", alter_sys=True)
"""


@pytest.mark.slow
@pytest.mark.alone
def test_devices_and_processes_take_steps_and_are_counted(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-c", PROGRAM, "--counts=1,2", "--rounds=1"),
            *("--steps=1", "--features=16,8", "--batch_size=4", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "weak_scaling_cpu.json").read_text())
    shown = [(row["kind"], row["count"]) for row in results["measured"]]
    devices, processes = "devices of one process", "processes of one device"
    assert shown == [(devices, 1), (devices, 2), (processes, 2)]
    for row in results["measured"]:
        seconds = row["median_ms_per_step"] / 1e3
        # Milliseconds are rounded to a tenth.
        assert row["images_per_second"] == pytest.approx(
            4 * row["count"] / seconds, 0.1
        )
        assert row["median_core_ms_per_pair_and_step"] > 0
    assert results["measured"][0]["work_of_one_device_over_this"] == 1
