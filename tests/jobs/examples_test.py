"""The example that a job template names keeps all devices of the template busy."""

import ast
import importlib
import pathlib
import re

import pytest
import yaml

from gan.check_config import Facts, check_config
from gan.check_devices import check_devices

JOBS = pathlib.Path(__file__).resolve().parents[2] / "jobs"


def _slurm(text):
    nodes, tasks = (
        int(re.search(rf"^#SBATCH --{name}=(\d+)$", text, re.M)[1])
        for name in ("nodes", "ntasks-per-node")
    )
    return nodes * tasks, 1


def _summit(text):
    nodes = re.search(r"^#BSUB -nnodes (\d+)$", text, re.M)
    on_each = re.search(r"--rs_per_host (\d+) --tasks_per_rs 1 --gpu_per_rs 1 ", text)
    return int(nodes[1]) * int(on_each[1]), 1


def _kubernetes(text):
    _, job = yaml.safe_load_all(text)
    (container,) = job["spec"]["template"]["spec"]["containers"]
    chips = int(container["resources"]["limits"]["google.com/tpu"])
    return job["spec"]["completions"], chips


def _local(text):
    default = re.search(r"^count=\$\{PROCESSES:-(\d+)\}$", text, re.M)
    shown = re.search(r"^# +PROCESSES=(\d+) jobs/local.sh ", text, re.M)
    assert shown[1] == default[1]
    return int(shown[1]), 1


# Template -> its text -> (processes, devices of each).
TEMPLATES = {
    "slurm_gpu.sbatch": _slurm,
    "summit.lsf": _summit,
    "tpu_gke.yaml": _kubernetes,
    "local.sh": _local,
}


def _example(text):
    """The configuration that a template names, with the fields it changes."""
    (name,) = set(re.findall(r"--config=configs/(\w+)\.py(?=\W)(?!:)", text))
    config = importlib.import_module(f"configs.{name}").get_config()
    for path, value in re.findall(r"--config\.([\w.]+)=(\w+)", text):
        config.update_from_flattened_dict({path: ast.literal_eval(value)})
    return config


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_example_of_a_template_keeps_all_its_devices_busy(template):
    text = (JOBS / template).read_text()
    config, (processes, each) = _example(text), TEMPLATES[template](text)
    check_config(config)
    facts = Facts(config.dataset.num_labels, config.dataset.channels)
    assert facts.num_labels > 0
    assert check_devices(config, facts, processes * each, processes) is None
