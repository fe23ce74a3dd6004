"""A second process compiles nothing, and nobody is made to keep programs."""

import json
import os
import pathlib
import subprocess
import sys

import jax
import pytest

from parallel import compilation_cache

ROOT = pathlib.Path(__file__).resolve().parents[2]
COUNT = """
import collections, json, jax

seen = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: seen.update([name]))

def counted():
    prefix = "/jax/compilation_cache/cache_"
    return {name: seen[prefix + name] for name in ("hits", "misses")}
"""
PROGRAM = f"""
import sys, warnings
{COUNT}
import jax.numpy as jnp
from jax.sharding import PartitionSpec
from parallel import compilation_cache, mesh

jax.config.update("jax_num_cpu_devices", 4)
place = compilation_cache.start(sys.argv[1])
devices = mesh.make_mesh(4, 1)
step = mesh.spmd(
    lambda x: jax.lax.psum(x @ x.T, "label"),
    devices, (PartitionSpec("label"),), PartitionSpec(),
)
x = jax.random.normal(jax.random.key(0), (8, 3))
compiled = step.lower(x).compile()
result = {{
    **counted(),
    "place": place and str(place),
    "reductions": compiled.as_text().count(" all-reduce("),
    "sum": float(step(x).sum()),
}}
print(json.dumps(result))
"""
MAIN = f"""
import runpy, sys
{COUNT}
try:
    runpy.run_path("main.py", run_name="__main__")
except SystemExit as exit:
    assert not exit.code
print(json.dumps(counted()))
"""


def _run(program, *arguments, **environment):
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": "."} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_second_process_finds_every_program_with_its_collectives(tmp_path):
    first, second = (_run(PROGRAM, str(tmp_path)) for _ in range(2))
    assert first["place"] == str(tmp_path)
    assert first["hits"] == 0 and first["misses"] >= 2
    assert second["hits"] == first["misses"] and second["misses"] == 0
    # Plans are checked in what was compiled: it must still say what it does.
    assert second["reductions"] == first["reductions"] == 1
    assert second["sum"] == first["sum"]


@pytest.mark.slow
def test_main_keeps_programs_in_the_users_cache_unless_told_otherwise(tmp_path):
    def train(run, *arguments, **environment):
        return _run(
            MAIN,
            "--config=configs/digits.py:smoke",
            f"--workdir={tmp_path / run}",
            "--config.evaluation.networks=()",
            *arguments,
            XDG_CACHE_HOME=str(tmp_path / "cache"),
            **environment,
        )

    kept = tmp_path / "cache" / "label-sharded-gans" / "compiled"
    off = train("off", "--config.parallel.compilation_cache_dir=off")
    assert off == {"hits": 0, "misses": 0} and not kept.exists()
    first = train("first")
    assert first["hits"] == 0
    assert len(list(kept.glob("*-cache"))) == first["misses"] > 10
    assert train("second") == {"hits": first["misses"], "misses": 0}


def test_a_damaged_entry_is_compiled_anew(tmp_path):
    whole = _run(PROGRAM, str(tmp_path))
    for entry in tmp_path.glob("*-cache"):
        entry.write_bytes(entry.read_bytes()[:100])
    damaged = _run(PROGRAM, str(tmp_path))
    assert damaged["hits"] == 0
    assert damaged["sum"] == whole["sum"]


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("JAX_ENABLE_COMPILATION_CACHE", "false", None),
        ("JAX_COMPILATION_CACHE_DIR", "{tmp}/other", "{tmp}/other"),
    ],
)
def test_the_environment_comes_first(variable, value, place, tmp_path):
    value, place = (v and v.format(tmp=tmp_path) for v in (value, place))
    result = _run(PROGRAM, str(tmp_path / "ours"), **{variable: value})
    assert result["place"] == place
    assert not (tmp_path / "ours").exists()


@pytest.fixture
def no_cache_yet():
    """Without the one that tests share."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    jax.config.update("jax_compilation_cache_dir", before)


@pytest.mark.usefixtures("no_cache_yet")
def test_a_place_that_cannot_be_written_to_costs_a_line_and_no_run(tmp_path, caplog):
    (tmp_path / "file").touch()
    assert compilation_cache.start(str(tmp_path / "file" / "below")) is None
    assert jax.config.jax_compilation_cache_dir is None
    assert "compiled anew" in caplog.text and "file/below" in caplog.text


def test_what_was_written_first_is_forgotten_first(tmp_path):
    for age in range(4):
        path = tmp_path / f"program{age}-cache"
        path.write_bytes(bytes(100))
        os.utime(path, (1000 - age, 1000 - age))
    compilation_cache._forget_oldest(tmp_path, 250)
    assert {p.name for p in tmp_path.iterdir()} == {"program0-cache", "program1-cache"}


def test_the_users_cache_directory_is_where_it_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    expected = tmp_path / "label-sharded-gans" / "compiled"
    assert compilation_cache.directory("") == expected
    assert compilation_cache.directory("elsewhere") == pathlib.Path("elsewhere")
