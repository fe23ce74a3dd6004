"""What several files of tests look at."""

import pytest

from gan.train import train_and_evaluate
from tests.gan.small_run import small_run_config


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """Workdir of a run of six steps; to be copied before it is changed."""
    workdir = tmp_path_factory.mktemp("uninterrupted")
    train_and_evaluate(small_run_config(6), str(workdir))
    return workdir
