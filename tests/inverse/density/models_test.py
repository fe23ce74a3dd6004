"""The density network is the published one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from configs import stem_density
from inverse import factories
from inverse.density.models import UPSAMPLINGS, FCDenseNet, TransitionUp, drop
from parallel.production_order import production_order, program_flops

# Millions of parameters after each stage (facts of the authors' production network).
PUBLISHED = {
    "CONV_INIT": 6.55,
    "DB_0": 8.19,
    "TD_0": 8.46,
    "DB_1": 16.65,
    "TD_1": 17.70,
    "DB_2": 53.74,
    "TD_2": 57.94,
    "DB_3": 102.18,
    "TU_0": 102.77,
    "DB_4": 184.69,
    "TU_1": 185.74,
    "DB_5": 213.59,
    "TU_2": 213.85,
    "DB_6": 220.41,
    "CONV_FIN": 220.41,
}


@pytest.fixture(scope="module")
def published():
    return factories.make_network(stem_density.get_config("paper"))


def test_every_stage_has_its_published_number_of_parameters(published):
    so_far = 0
    for stage, millions in PUBLISHED.items():
        so_far += sum(x.size for x in jax.tree.leaves(published.params[stage]))
        assert so_far / 1e6 == pytest.approx(millions, abs=0.006), stage
    assert published.params.keys() == PUBLISHED.keys()
    assert len(jax.tree.leaves(published.params)) == 32


def test_a_forward_pass_takes_the_published_work(published):
    patterns, _ = factories.batch_shapes(stem_density.get_config("paper"))

    def forward(params, batch_stats, patterns):
        return nnx.merge(published.graphdef, params, batch_stats)(patterns, train=True)

    shapes = (published.params, published.batch_stats, patterns)
    assert program_flops(forward, *shapes) / 1e12 == pytest.approx(17.17, abs=0.005)


def test_xla_counts_the_published_work_too(published):
    """Its count leaves out what lies in the margin, which the formula does not."""
    patterns, _ = factories.batch_shapes(stem_density.get_config("paper"))

    def forward(params, batch_stats, patterns):
        return nnx.merge(published.graphdef, params, batch_stats)(patterns, train=True)

    shapes = (published.params, published.batch_stats, patterns)
    found = jax.jit(forward).lower(*shapes).cost_analysis()["flops"]
    assert found / 1e12 == pytest.approx(17.17, rel=0.02)


def test_a_share_is_dropped_and_the_mean_is_kept():
    keys = jax.random.split(jax.random.key(5), 2)
    found = drop(jnp.ones((2, 64, 64, 8)), keys, 0.3)
    np.testing.assert_allclose((found == 0).mean((1, 2, 3)), 0.3, atol=0.01)
    np.testing.assert_allclose(found.mean((1, 2, 3)), 1.0, atol=0.015)
    assert (found[0] != found[1]).any()


def test_gradients_appear_from_the_last_block_to_the_first(published):
    config = stem_density.get_config("paper")
    grad_fn = jax.grad(factories.make_loss(published))
    shapes = (published.params, published.batch_stats, *factories.batch_shapes(config))
    gradients = production_order(grad_fn, *shapes)
    plan = factories.reduction_plan(
        config, gradients, factories.link_cost(config, 48e12)
    )
    assert [g.names[0].split("/")[0] for g in plan.groups] == list(PUBLISHED)[::-1]
    assert plan.num_bytes / 1e6 == pytest.approx(441, abs=0.5)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_small_network_maps_stacks_to_maps_and_learns(upsampling):
    config = stem_density.get_config("smoke")
    model = FCDenseNet(
        channels=config.model.channels,
        growth=4,
        layers_down=(1, 1),
        layers_bottleneck=1,
        layers_up=(1, 1),
        upsampling=upsampling,
        rngs=nnx.Rngs(0),
    )
    patterns = jax.random.normal(jax.random.key(0), (2, 16, 16, config.model.channels))
    assert model(patterns, train=False).shape == (2, 16, 16)
    grads = nnx.grad(lambda m: jnp.abs(m(patterns, train=True) - 1).mean())(model)
    for leaf in jax.tree.leaves(nnx.to_pure_dict(nnx.state(grads))):
        assert np.isfinite(leaf).all()
        assert (leaf != 0).any()


def test_the_work_that_is_counted_is_the_compilers():
    config = stem_density.get_config("smoke")
    network = factories.make_network(config)
    patterns, _ = factories.batch_shapes(config)
    shapes = (network.params, network.batch_stats, patterns)

    def forward(params, batch_stats, patterns):
        return nnx.merge(network.graphdef, params, batch_stats)(patterns, train=True)

    analysis = jax.jit(forward).lower(*shapes).compile().cost_analysis()
    counted = program_flops(forward, *shapes)
    # The compiler counts additions and normalisation too, and no padding.
    assert counted == pytest.approx(analysis["flops"], rel=0.12)


@pytest.mark.parametrize("kind", UPSAMPLINGS)
def test_upsampling_doubles_the_side_and_keeps_the_skip(kind):
    layer = TransitionUp(3, kind, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 3))
    skip = jax.random.normal(jax.random.key(1), (2, 8, 8, 5))
    y = layer(x, skip)
    assert y.shape == (2, 8, 8, 8)
    np.testing.assert_array_equal(y[..., 3:], skip)
    empty = (y[:, 1::2, :, :3] == 0).all() and (y[:, :, 1::2, :3] == 0).all()
    assert empty == (kind == "paper")


def test_upsampling_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="choose one of"):
        TransitionUp(3, "cubic", rngs=nnx.Rngs(0))
