"""Compared networks are the published ones: tensors and parameters."""

import jax
import numpy as np
import pytest

from benchmarks.workloads import WORKLOADS
from parallel.production_order import production_order

SIZES = {
    "density_paper": (32, 220_406_272),
    "resnet50": (161, 25_557_032),
    # 3,576,704 of the generator and 2,765,568 of the discriminator.
    "dcgan": (24, 6_342_272),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_network_has_its_published_size(name):
    workload = WORKLOADS[name](None)
    leaves = jax.tree.leaves(workload.params)
    assert (len(leaves), sum(np.prod(x.shape) for x in leaves)) == SIZES[name]


def test_both_players_of_the_gan_get_their_own_gradients():
    """The discriminator's are there first: its own pass comes last on the way out."""
    workload = WORKLOADS["dcgan"](None)
    shapes = (workload.params, workload.fixed, *workload.batch)
    order = production_order(jax.grad(workload.loss_fn), *shapes)
    players = [gradient.name.split("/")[0] for gradient in order]
    assert players[0] == "discriminator" and players[-1] == "generator"
    assert all(0 < gradient.ready <= 1 for gradient in order)
