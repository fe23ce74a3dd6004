"""The step is the same however many devices share it, and however it is reduced."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from configs import stem_density
from inverse import factories
from inverse.setup import compile_step, make_setup, make_step
from inverse.train_step import make_train_step
from parallel.mesh import DATA_AXIS, spmd
from parallel.precision import create_loss_scale
from parallel.reduction import ON_ONE_DEVICE, mean_over, planned

BATCH, SIDE, CHANNELS = 8, 8, 4


def _config(num_devices=1, **fields):
    config = stem_density.get_config("smoke")
    config.model.channels, config.model.image_size = CHANNELS, SIDE
    config.dataset.layout = "patterns"  # the batch below is one of patterns
    config.model.growth, config.model.kernel_size = 4, 3
    config.per_device_batch_size = BATCH // num_devices
    config.parallel.policy, config.parallel.num_groups = "chunks", 3
    for path, value in fields.items():
        section, name = path.split("__")
        config[section][name] = value
    return config


@functools.cache
def _batch():
    keys = jax.random.split(jax.random.key(3))
    return {
        "input": jax.random.normal(keys[0], (BATCH, SIDE, SIDE, CHANNELS)),
        "target": jax.random.normal(keys[1], (BATCH, SIDE, SIDE)),
    }


def _step(num_devices, num_steps=2, batch=None, state=None, compiled=True, **fields):
    config = _config(num_devices, **fields)
    setup = make_setup(config, jax.devices()[:num_devices])
    state = state or setup.create_state()
    batch = jax.device_put(batch or _batch(), setup.batch_layout)
    step = (
        compile_step(config, setup, state, batch)
        if compiled
        else make_step(config, setup)
    )
    for _ in range(num_steps):
        state, metrics = step(state, batch)
    return jax.device_get((state, metrics))


def _assert_near(found, expected, rtol, atol):
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(found),
        jax.tree.leaves(expected),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol, atol, err_msg=str(path))


@functools.cache
def _on_one_device():
    """Plain jit, nothing that crosses devices, no plan."""
    config = _config()
    setup = make_setup(config, jax.devices()[:1])
    network = factories.make_network(config)
    step = jax.jit(
        make_train_step(
            network,
            factories.make_loss_fn(config),
            setup.optimizer,
            ON_ONE_DEVICE,
            ema_decay=config.optimizer.ema_decay,
        )
    )
    state = setup.create_state()
    for _ in range(2):
        state, metrics = step(state, _batch())
    return jax.device_get((state, metrics))


@pytest.mark.parametrize(
    "num_devices", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 4)), 8]
)
def test_the_step_is_the_same_on_any_number_of_devices(num_devices):
    (state, metrics), (expected, said) = _step(num_devices), _on_one_device()
    np.testing.assert_allclose(metrics["loss"], said["loss"], rtol=1e-5)
    np.testing.assert_allclose(
        metrics["gradient_norm"], said["gradient_norm"], rtol=1e-4
    )
    _assert_near(state.batch_stats, expected.batch_stats, 1e-4, 1e-5)
    # Adam divides by the size of a gradient: where that is rounding alone, the update
    # is of any sign, and two steps move a parameter by no more than this.
    moved = 2 * 2 * 1e-4
    _assert_near(state.params, expected.params, 0, moved)
    start = make_setup(_config(), jax.devices()[:1]).create_state().params
    differs, moves = 0.0, 0.0
    for a, b, c in zip(
        *map(jax.tree.leaves, (state.params, expected.params, start)), strict=True
    ):
        differs += float(np.sum((a - b) ** 2))
        moves += float(np.sum((b - c) ** 2))
    assert differs < 1e-4 * moves


def _gradient(num_devices, reduction_of):
    """What the optimizer would be given."""
    config = _config(num_devices)
    setup = make_setup(config, jax.devices()[:num_devices])
    reduction = reduction_of(setup)
    loss_fn = factories.make_loss_fn(config)

    def gradient(state, batch):
        def loss(params):
            found, _ = setup.network.apply(
                params, state.batch_stats, batch["input"], train=True
            )
            return loss_fn(found, batch["target"], state.step).mean()

        return reduction.reduce(jax.grad(loss)(reduction.as_local(state.params)))

    run = spmd(
        gradient,
        setup.mesh,
        in_specs=(PartitionSpec(), PartitionSpec(DATA_AXIS)),
        out_specs=PartitionSpec(),
    )
    batch = jax.device_put(_batch(), setup.batch_layout)
    return jax.device_get(run(setup.create_state(), batch))


@pytest.mark.parametrize("num_devices", [2, 8])
def test_the_planned_gradient_is_the_plain_mean_and_that_of_one_device(num_devices):
    found = _gradient(num_devices, lambda setup: planned(setup.plan, DATA_AXIS))
    plain = _gradient(num_devices, lambda setup: mean_over(DATA_AXIS))
    _assert_near(found, plain, 1e-6, 1e-9)
    alone = _gradient(1, lambda setup: mean_over(DATA_AXIS))
    _assert_near(found, alone, 1e-4, 1e-6)


@pytest.mark.slow
def test_parts_of_a_batch_have_statistics_of_their_own():
    """So accumulation is near the whole batch, and not the same."""
    whole, said = _step(2, num_steps=1)
    parts, said_parts = _step(2, num_steps=1, parallel__micro_batches=2)
    assert abs(said_parts["loss"] / said["loss"] - 1) < 0.05
    assert said_parts["gradient_norm"] == pytest.approx(said["gradient_norm"], rel=0.3)
    assert int(whole.step) == int(parts.step) == 1


def test_identical_parts_add_up_exactly():
    """A batch whose halves are equal has the statistics of its halves."""
    half = jax.tree.map(lambda x: x[:4], _batch())
    doubled = jax.tree.map(lambda x: jnp.concatenate([x, x]), half)
    _, whole = _step(1, num_steps=1, batch=doubled)
    _, parts = _step(1, num_steps=1, batch=doubled, parallel__micro_batches=2)
    np.testing.assert_allclose(parts["loss"], whole["loss"], rtol=1e-6)
    np.testing.assert_allclose(
        parts["gradient_norm"], whole["gradient_norm"], rtol=1e-5
    )


def test_parts_take_turns_with_one_set_of_reductions():
    """The plan is verified in the compiled program, so each group is reduced once."""
    config = _config(4, parallel__micro_batches=2)
    setup = make_setup(config, jax.devices()[:4])
    batch = jax.device_put(_batch(), setup.batch_layout)
    compile_step(config, setup, setup.create_state(), batch)


def _overflowing(example):
    batch = {name: np.array(leaf) for name, leaf in _batch().items()}
    batch["input"][example] = 1e38  # squared in the statistics, it is infinite
    return batch


@pytest.mark.parametrize("statistics", ["shared", "local"])
def test_an_overflow_on_one_device_skips_the_step_on_all(statistics):
    fields = {"model__batch_statistics": statistics}
    setup = make_setup(_config(8, **fields), jax.devices())
    before = jax.device_get(setup.create_state())
    state, metrics = _step(8, 1, batch=_overflowing(5), **fields)
    assert metrics["steps_skipped"] == 1
    for name in ("params", "opt_state", "ema", "batch_stats"):
        _assert_near(getattr(state, name), getattr(before, name), 0, 0)
    assert int(state.step) == 1
    # The replicas still hold the same: every device's own copy is looked at.
    config = _config(8, **fields)
    step = make_step(config, setup)
    live = setup.create_state()
    for batch in (_overflowing(5), _batch()):
        live, metrics = step(live, jax.device_put(batch, setup.batch_layout))
    assert metrics["steps_skipped"] == 1
    for leaf in jax.tree.leaves(live):
        copies = [np.asarray(shard.data) for shard in leaf.addressable_shards]
        assert len(copies) == 8
        for copy in copies[1:]:
            np.testing.assert_array_equal(copy, copies[0])


def test_half_precision_scales_its_loss_and_comes_to_the_same_gradient():
    _, narrow = _step(2, 1, model__dtype="float16", parallel__wire_dtype="float16")
    _, wide = _step(2, 1)
    assert narrow["loss_scale"] > 1 and narrow["steps_skipped"] == 0
    np.testing.assert_allclose(narrow["loss"], wide["loss"], rtol=2e-3)
    np.testing.assert_allclose(
        narrow["gradient_norm"], wide["gradient_norm"], rtol=1e-2
    )


def test_half_precision_skips_until_its_scale_fits():
    config = _config(2, model__dtype="float16", parallel__wire_dtype="float16")
    setup = make_setup(config, jax.devices()[:2])
    too_large = create_loss_scale("float16").replace(scale=jnp.float32(2.0**24))
    state = setup.create_state().replace(loss_scale=too_large)
    state = jax.device_put(state, setup.state_layout)
    batch = jax.device_put(_batch(), setup.batch_layout)
    step = make_step(config, setup)
    for _ in range(12):
        state, metrics = step(state, batch)
    assert 0 < metrics["steps_skipped"] < 12
    assert metrics["skipped_in_a_row"] == 0
    scale = 2.0**24 / 2.0 ** float(metrics["steps_skipped"])
    assert state.loss_scale.scale == scale


def test_bfloat16_stays_near_float32():
    (narrow, said), (_, wide) = _step(1, 1, model__dtype="bfloat16"), _step(1, 1)
    np.testing.assert_allclose(said["loss"], wide["loss"], rtol=2e-2)
    np.testing.assert_allclose(said["gradient_norm"], wide["gradient_norm"], rtol=5e-2)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(narrow.params))


@pytest.mark.slow
def test_what_is_dropped_depends_on_the_sample_not_on_the_device():
    numbers = np.stack([np.zeros(BATCH), np.arange(BATCH)], -1).astype(np.uint32)
    batch = _batch() | {"number": jnp.asarray(numbers)}
    (state, said), (expected, alone) = (
        _step(n, 1, batch, model__dropout=0.3) for n in (4, 1)
    )
    np.testing.assert_allclose(said["loss"], alone["loss"], rtol=1e-5)
    _assert_near(state.batch_stats, expected.batch_stats, 1e-4, 1e-6)
    _, nothing = _step(1, 1)
    assert abs(alone["loss"] - nothing["loss"]) > 1e-3 * nothing["loss"]
    other = batch | {"number": jnp.asarray(numbers + 8)}
    _, others = _step(1, 1, other, model__dropout=0.3)
    assert others["loss"] != alone["loss"]


@pytest.mark.slow
def test_blocks_that_are_computed_again_change_nothing():
    (state, metrics), (expected, said) = _step(1, model__remat="always"), _step(1)
    np.testing.assert_allclose(metrics["loss"], said["loss"], rtol=1e-6)
    _assert_near(state.batch_stats, expected.batch_stats, 1e-4, 1e-6)
