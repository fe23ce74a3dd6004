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
# Rooms within inverse/, and which others each may know.
WINGS = {
    "density": {"scan", "simulator"},
    "distortion": {"micrograph", "simulator"},
    "scan": {"simulator"},
    "micrograph": set(),
    "simulator": set(),
}
TENSORFLOW = {"tensorflow", "tensorflow_datasets"}
DEFAULTS = r"config[\w.]*\.get\(|getattr\(\s*config[\w.]*,[^(),]*,"
PLACES = re.compile(r"(?<![\w.])/(?:root|work|tmp|home|Users)/")
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
    if room in {*ROOMS, "main.py"} - {"parallel"}:
        found += [f"uses {n}" for n in _names(tree) & CROSSING]
    if room == "input_pipeline":
        found += [f"imports {m}" for m in tops & {"jax", "jaxlib", "flax"}]
    if room == "configs":
        allowed = {"configs", "ml_collections"}
        found += [f"imports {module}" for module in tops - allowed]
    if tops & TENSORFLOW:
        if (room, name) != ("input_pipeline", "tfds_source.py"):
            found.append("imports TensorFlow's packages")
        if {m.split(".")[0] for m in _modules_outside_functions(tree)} & TENSORFLOW:
            found.append("imports TensorFlow's packages outside a function")
    if "_src" in _names(tree):
        found.append("imports a private module")
    if room in ROOMS and re.search(DEFAULTS, source):
        found.append("reads a field with a default")
    if re.search(r"(^|_)(utils?|helpers?|misc|common_utils)\.py$", name):
        found.append("is a drawer")
    if source.count("\n") > LONGEST:
        found.append(f"is longer than {LONGEST} lines")
    return found


def wing_breaches(wing: str, source: str) -> list[str]:
    """Lists what a file of inverse/`wing` imports of wings that it must not know."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "inverse":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= set(node.module.split(".")[1:2]) & WINGS.keys()
            if wing == "simulator" and node.module.startswith("inverse."):
                found |= set(node.module.split(".")[1:2])
    forbidden = found if wing == "simulator" else found & WINGS.keys()
    return sorted(forbidden - WINGS[wing] - {wing})


def _modules_outside_functions(node: ast.AST) -> set[str]:
    names = set()
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            names |= _modules(child)
        elif not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            names |= _modules_outside_functions(child)
    return names


def _tracked(pattern: str) -> list[pathlib.Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize(
    "path", _tracked("*.py"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_file_keeps_the_rules_of_its_room(path):
    room = path.relative_to(ROOT).parts[0]
    assert breaches(room, path.name, path.read_text()) == []


@pytest.mark.parametrize(
    ("room", "name", "source", "breach"),
    [
        ("gan", "a.py", "import inverse", "imports inverse"),
        ("gan", "a.py", "from configs import common", "imports configs"),
        ("parallel", "a.py", "from gan import models", "imports gan"),
        ("input_pipeline", "a.py", "import parallel.mesh", "imports parallel"),
        ("input_pipeline", "a.py", "def f():\n    import jax", "imports jax"),
        ("gan", "a.py", "import tests.gan", "imports tests"),
        ("gan", "a.py", "import jax\njax.lax.psum(1, 'data')", "uses psum"),
        ("gan", "a.py", "from jax.lax import pmean", "uses pmean"),
        ("gan", "a.py", "from jax.experimental import shard_map", "uses shard_map"),
        ("inverse", "a.py", "import jax\njax.process_index()", "uses process_index"),
        ("main.py", "main.py", "jax.distributed.initialize()", "uses distributed"),
        ("gan", "a.py", "import orbax.checkpoint as ocp", "uses orbax"),
        ("configs", "a.py", "import jax", "imports jax"),
        (
            "gan",
            "a.py",
            "def f():\n    import tensorflow",
            "imports TensorFlow's packages",
        ),
        (
            "input_pipeline",
            "tfds_source.py",
            "try:\n    import tensorflow_datasets\nexcept ImportError:\n    pass",
            "imports TensorFlow's packages outside a function",
        ),
        ("gan", "a.py", "from jax._src import core", "imports a private module"),
        ("gan", "a.py", "import jax\njax._src.core", "imports a private module"),
        (
            "gan",
            "a.py",
            "x = config.model.get('width', 3)",
            "reads a field with a default",
        ),
        (
            "gan",
            "a.py",
            "x = getattr(config.model, 'width', 3)",
            "reads a field with a default",
        ),
        ("gan", "utils.py", "", "is a drawer"),
        ("gan", "image_helpers.py", "", "is a drawer"),
        ("gan", "a.py", "\n" * 351, "is longer than 350 lines"),
    ],
)
def test_each_rule_bites(room, name, source, breach):
    assert breach in breaches(room, name, source)


@pytest.mark.parametrize(
    ("room", "name", "source"),
    [
        ("gan", "a.py", "from parallel import mesh\nfrom input_pipeline import arrays"),
        ("parallel", "a.py", "import jax\njax.lax.psum(1, 'data')"),
        (
            "input_pipeline",
            "tfds_source.py",
            "def f():\n    import tensorflow_datasets",
        ),
        ("configs", "a.py", "import ml_collections\nfrom configs import common"),
        ("gan", "a.py", "x = getattr(config.model, name)"),
        ("gan", "a.py", "\n" * 350),
    ],
)
def test_no_rule_bites_what_is_allowed(room, name, source):
    assert breaches(room, name, source) == []


@pytest.mark.parametrize(
    "path", _tracked("inverse/*/*.py"), ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_wing_of_inverse_knows_what_it_may(path):
    assert wing_breaches(path.parent.name, path.read_text()) == []


@pytest.mark.parametrize(
    ("wing", "source", "breach"),
    [
        ("density", "from inverse.distortion.data import x", ["distortion"]),
        ("distortion", "from inverse import density", ["density"]),
        ("scan", "from inverse.density import data", ["density"]),
        ("micrograph", "from inverse.simulator import probe", ["simulator"]),
        ("simulator", "from inverse.errors import ConfigError", ["errors"]),
        ("simulator", "from inverse.simulator.grid import Grid", []),
        ("distortion", "from inverse.micrograph.files import x", []),
        ("density", "from inverse import factories", []),
    ],
)
def test_a_wing_that_knows_too_much_is_told(wing, source, breach):
    assert wing_breaches(wing, source) == breach


def test_no_tracked_file_names_a_place_on_a_machine():
    for path in _tracked("*"):
        if path.suffix not in (".png", ".npz"):
            assert not PLACES.search(path.read_text(errors="ignore")), path


def test_a_place_on_a_machine_is_told_from_a_relative_path():
    for place in ("root", "home", "Users"):
        assert PLACES.search(f"see '/{place}/somebody/data'")
    assert not PLACES.search("see ../work/data, runs/tmp/a and https://b.org/home/c")


def test_both_lists_of_requirements_share_everything_but_jax():
    common = "-r requirements-common.txt"
    for name in ("requirements.txt", "requirements-cpu.txt"):
        lines = (ROOT / name).read_text().splitlines()
        wanted = [line for line in lines if line and not line.startswith("#")]
        assert wanted[0] == common
        assert len(wanted) == 2 and wanted[1].startswith("jax")
