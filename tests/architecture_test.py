"""The house rules, walked: who imports whom, and who may name what."""

import ast
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = {
    "configs": {"configs"},
    "input_pipeline": {"input_pipeline"},
    "parallel": {"parallel"},
    "gan": {"gan", "parallel", "input_pipeline"},
    "inverse": {"inverse", "parallel", "input_pipeline"},
}
NOBODY_IMPORTS = {"benchmarks", "tests", "jobs", "main"}
# Names that only parallel/ may use: everything that crosses devices.
CROSSING = {
    *("psum", "pmean", "pmax", "pmin", "pcast", "axis_index", "all_gather"),
    *("ppermute", "psum_scatter", "all_to_all", "shard_map", "pmap"),
    *("process_index", "process_count", "distributed", "multihost_utils", "orbax"),
}
TENSORFLOW = {"tensorflow", "tensorflow_datasets"}
LONGEST = 350


def _modules(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def _names(tree: ast.AST) -> set[str]:
    found = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    found |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {part for a in node.names for part in a.name.split(".")}
    return found | {part for module in _modules(tree) for part in module.split(".")}


def breaches(room: str, name: str, source: str) -> list[str]:
    """Lists the rules that a file `name` of `room` with this source breaks."""
    tree = ast.parse(source)
    modules = _modules(tree)
    tops = {module.split(".")[0] for module in modules}
    found = []
    if room in ROOMS:
        found += [f"imports {r}" for r in tops & (ROOMS.keys() - ROOMS[room])]
        found += [f"imports {r}" for r in tops & NOBODY_IMPORTS]
        if room != "parallel":
            found += [f"uses {n}" for n in _names(tree) & CROSSING]
    if room == "configs":
        allowed = {"configs", "ml_collections"}
        found += [f"imports {module}" for module in tops - allowed]
    if tops & TENSORFLOW:
        if (room, name) != ("input_pipeline", "tfds_source.py"):
            found.append("imports TensorFlow's packages")
        outside = {m.split(".")[0] for n in tree.body for m in _modules_of_line(n)}
        if outside & TENSORFLOW:
            found.append("imports TensorFlow's packages outside a function")
    if any("_src" in module.split(".") for module in modules):
        found.append("imports a private module")
    if room in ROOMS and re.search(r"config[\w.]*\.get\(", source):
        found.append("reads a field with a default")
    if re.search(r"(^|_)(utils?|helpers?|misc|common_utils)\.py$", name):
        found.append("is a drawer")
    if source.count("\n") > LONGEST:
        found.append(f"is longer than {LONGEST} lines")
    return found


def _modules_of_line(node: ast.stmt) -> set[str]:
    return _modules(node) if isinstance(node, ast.Import | ast.ImportFrom) else set()


def _tracked(pattern: str) -> list[pathlib.Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines()]


@pytest.mark.parametrize(
    "path", _tracked("*.py"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_file_keeps_the_rules_of_its_room(path):
    room = path.relative_to(ROOT).parts[0]
    assert breaches(room, path.name, path.read_text()) == []


@pytest.mark.parametrize(
    ("room", "name", "source"),
    [
        ("gan", "a.py", "import inverse"),
        ("gan", "a.py", "from configs import common"),
        ("parallel", "a.py", "from gan import models"),
        ("input_pipeline", "a.py", "import parallel.mesh"),
        ("gan", "a.py", "import tests.gan"),
        ("gan", "a.py", "import jax\nx = jax.lax.psum(1, 'data')"),
        ("gan", "a.py", "from jax.lax import pmean"),
        ("inverse", "a.py", "import jax\njax.process_index()"),
        ("gan", "a.py", "import orbax.checkpoint as ocp"),
        ("configs", "a.py", "import jax"),
        ("gan", "a.py", "def f():\n    import tensorflow"),
        ("input_pipeline", "tfds_source.py", "import tensorflow_datasets"),
        ("parallel", "a.py", "from jax._src import core"),
        ("gan", "a.py", "x = config.model.get('width', 3)"),
        ("gan", "utils.py", ""),
        ("gan", "a.py", "\n" * 351),
    ],
)
def test_each_rule_bites(room, name, source):
    assert breaches(room, name, source)


def test_no_tracked_file_names_a_place_on_a_machine():
    places = re.compile(r"(?<![\w.])/(?:root|work|tmp|home)/")
    for path in _tracked("*"):
        if path.suffix in (".png", ".npz") or not path.is_file():
            continue
        assert not places.search(path.read_text(errors="ignore")) or (
            path == pathlib.Path(__file__).resolve()
        ), path


def test_both_lists_of_requirements_share_everything_but_jax():
    common = "-r requirements-common.txt"
    for name in ("requirements.txt", "requirements-cpu.txt"):
        lines = (ROOT / name).read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
        assert wanted[0] == common
        assert len(wanted) == 2 and wanted[1].startswith("jax")
