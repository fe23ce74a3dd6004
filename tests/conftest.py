"""What holds in every test: eight CPU devices, strict shapes, caches of its own."""

import os
import pathlib

# Set here, not in a fixture: JAX reads them when it is imported. A machine with a GPU
# tests on its CPU too, unless it is told otherwise.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.pop("JAX_COMPILATION_CACHE_DIR", None)
# Most of the time of small tests is LLVM's; what XLA makes of a program stays the same.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

import jax
import pytest

jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_numpy_rank_promotion", "raise")

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session", autouse=True)
def user_cache(tmp_path_factory):
    """Keeps tests out of the user's cache directory."""
    path = tmp_path_factory.mktemp("cache")
    patch = pytest.MonkeyPatch()
    patch.setenv("XDG_CACHE_HOME", str(path))
    # Many tests compile what an earlier one did.
    jax.config.update("jax_compilation_cache_dir", str(path / "compiled-by-tests"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    yield path
    patch.undo()


@pytest.fixture
def shared_data():
    """Real data sets beside the project, where there are any."""
    path = ROOT.parent / "shared" / "data"
    if not path.is_dir():
        pytest.skip("../shared/data is not there")
    return path
