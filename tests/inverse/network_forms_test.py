"""A network is written as its devices are fastest at it, and says the same."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import stem_density, stem_distortion
from inverse import factories
from inverse.density import dense_block
from inverse.density import factories as density_factories
from inverse.density.convolution import convolve, convolve_on_cpu
from inverse.distortion import data as distortion_data
from inverse.may_change import may_change
from inverse.simulator.distorted_crystal import Targets
from inverse.training_run import TrainingRun
from parallel.production_order import program_flops


def _small(dropout=0.0):
    config = stem_density.get_config("tuned")
    config.per_device_batch_size = 2
    config.model.image_size, config.model.channels = 8, 64
    config.model.growth, config.model.dropout = 6, dropout
    return config


@pytest.mark.parametrize(
    ("platform", "dtype", "dense_outputs", "convolution"),
    [
        ("cpu", "float32", dense_block.source_by_source, convolve_on_cpu),
        # Sums over sources would lose what half precision cannot hold.
        ("cpu", "bfloat16", dense_block.layer_by_layer, convolve_on_cpu),
        ("cuda", "float32", dense_block.layer_by_layer, convolve),
    ],
)
def test_the_form_is_that_of_the_devices(
    monkeypatch, platform, dtype, dense_outputs, convolution
):
    asked = []
    monkeypatch.setattr(
        density_factories, "FCDenseNet", lambda **given: asked.append(given)
    )
    config = _small()
    config.model.dtype = dtype
    density_factories.make_module(config, None, False, platform)(None)
    assert asked[0]["dense_outputs"] is dense_outputs
    assert asked[0]["convolve"] is convolution


def _drawn(shapes):
    """Every leaf otherwise, and the same for both forms."""
    leaves, structure = jax.tree.flatten(shapes)
    keys = jax.random.split(jax.random.key(2), len(leaves))
    drawn = [
        0.1 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, drawn)


@pytest.mark.parametrize("remat", [False, True], ids=["kept", "again"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_both_forms_are_one_network(remat, dropout):
    config, found = _small(dropout), []
    keys = jax.random.split(jax.random.key(1), 2) if dropout else None
    patterns, density = (
        jax.random.uniform(jax.random.key(n), shape.shape)
        for n, shape in enumerate(factories.batch_shapes(config))
    )
    for platform in ("cpu", "cuda"):
        network = factories.make_network(config, remat=remat, platform=platform)
        params = _drawn(network.params)
        stats = jax.tree.map(lambda x: jnp.ones(x.shape), network.batch_stats)

        def cost(params, network=network, stats=stats):
            made, _ = network.apply(params, stats, patterns, train=True, keys=keys)
            return jnp.mean(jnp.abs(made - density))

        found.append(jax.jit(jax.value_and_grad(cost))(params))
    for ours, plain in zip(*map(jax.tree.leaves, found), strict=True):
        np.testing.assert_allclose(
            ours, plain, rtol=1e-3, atol=1e-5 * max(1e-3, np.abs(plain).max())
        )


def test_both_forms_take_the_same_work():
    """A plan is made for the operations of the program: none may be counted twice."""
    work = []
    for platform in ("cpu", "cuda"):
        network = factories.make_network(_small(), platform=platform)
        shapes = (network.params, network.batch_stats)
        shapes += factories.batch_shapes(_small())
        work.append(program_flops(jax.grad(factories.make_loss(network)), *shapes))
    assert work[0] == pytest.approx(work[1], rel=0.01)


def test_no_layer_of_the_published_network_waits_for_another_device():
    assert stem_density.get_config("paper").model.batch_statistics == "local"


@pytest.mark.parametrize("form", ["cells", "pixels"])
def test_targets_and_predictions_have_the_shape_that_is_announced(form):
    config = stem_distortion.get_config("tuned")
    config.model.form, config.model.features = form, 8
    config.model.dilations = (1,)
    config.per_device_batch_size = 3
    patterns, wanted = factories.batch_shapes(config)
    network = factories.make_network(config)
    mean, log_variance = jax.eval_shape(
        lambda p, s, x: network.apply(p, s, x, train=True)[0],
        *(network.params, network.batch_stats, patterns),
    )
    moments = Targets(
        jnp.zeros((2, 2, 3, 2, 3)),
        jnp.zeros((2, 2, 3, 3, 2)),
        jnp.zeros((2, 2, 3, 3, 3)),
    )
    target = distortion_data.target_of(config, moments, jnp.int32(0))
    assert mean.shape == log_variance.shape == wanted.shape == (3, *target.shape)


@pytest.mark.parametrize(
    ("statistics", "remedy"),
    [("shared", "set config.per_device_batch_size"), ("local", "with 4 devices alone")],
)
def test_another_number_of_samples_is_told_what_goes_on(statistics, remedy):
    """Where a device normalises its own share, another share is another network."""
    config = _small()
    config.model.batch_statistics = statistics
    told = TrainingRun._same_batch(types.SimpleNamespace(config=config), 8)
    assert remedy in told
    may_share = "per_device_batch_size" in may_change(config)
    assert may_share == (statistics == "shared")
