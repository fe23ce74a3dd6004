"""Laws of the sharded step: the mesh and the loop change speed, never results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan import label_sharded_step
from gan.label_sharded_step import LOOPS
from gan.losses import make_loss
from gan.train_step import StepSettings, make_train_step
from parallel.compiled import collective_groups
from parallel.mesh import DATA_AXIS, spmd, to_mesh
from parallel.reduction import mean_over
from tests.gan.small_stack import batch_at, small_stack


def _assert_close(found, expected, tolerance):
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for left, right in pairs:
        np.testing.assert_allclose(left, right, rtol=tolerance, atol=tolerance)


@pytest.fixture(scope="module")
def on_one_device():
    return small_stack(num_entries=10).run(steps=5)[0]


@pytest.mark.parametrize(
    "num_devices", [2, 4, 8, *(pytest.param(n, marks=pytest.mark.slow) for n in (3, 6))]
)
def test_ten_labels_end_alike_on_any_number_of_devices(num_devices, on_one_device):
    stack = small_stack(num_entries=10, num_devices=num_devices)
    assert stack.mesh.size > num_devices / 2
    state, _ = stack.run(steps=5)
    _assert_close(state.generator.params, on_one_device.generator.params, 1e-5)
    _assert_close(state.discriminator.params, on_one_device.discriminator.params, 1e-5)


# One loop of each kind among the fast tests, the others among the slow ones.
@pytest.mark.parametrize(
    "loop",
    [
        pytest.param(loop, marks=[] if loop in ("unroll", "vmap") else pytest.mark.slow)
        for loop in LOOPS
        if loop != "dispatch"
    ],
)
def test_every_loop_over_entries_gives_the_same_states(loop):
    expected, _ = small_stack(loop="dispatch").run(steps=3)
    found, _ = small_stack(loop=loop, num_devices=2).run(steps=3)
    _assert_close(found, expected, 1e-5)


@pytest.mark.parametrize("loop", ["dispatch", "vmap"])
def test_several_steps_in_one_dispatch_are_those_steps(loop):
    expected, last = small_stack(loop=loop).run(steps=4)
    several = small_stack(loop=loop, steps_per_dispatch=2)
    found, metrics = several.run(steps=4)
    _assert_close(found, expected, 1e-5)
    _assert_close(metrics, last, 1e-4)


def _crosses_labels(mesh, text):
    """Whether any collective joins devices of different rows of the mesh."""
    data = mesh.shape["data"]
    groups = collective_groups(text)
    assert groups, "a program without collectives proves nothing here"
    return any(len({place // data for place in group}) > 1 for group in groups)


def _texts_of_what_runs(monkeypatch):
    """Gathers the text of every program of a stack's step as it is called."""
    texts = []

    def recorded(*arguments, **options):
        program = spmd(*arguments, **options)

        def call(*operands):
            texts.append(program.lower(*operands).compile().as_text())
            return program(*operands)

        return call

    monkeypatch.setattr(label_sharded_step, "spmd", recorded)
    return texts


@pytest.mark.parametrize("loop", ["dispatch", "vmap", "unroll"])
def test_compiled_program_sends_nothing_from_label_to_label(loop, monkeypatch):
    texts = _texts_of_what_runs(monkeypatch)
    stack = small_stack(num_entries=4, num_devices=8, loop=loop)
    assert dict(stack.mesh.shape) == {"label": 4, "data": 2}
    batch = to_mesh(batch_at(0, 4, 12), stack.batch_layout)
    stack.step(stack.state, batch, jax.random.key(0))
    assert not _crosses_labels(stack.mesh, "\n".join(texts))


def test_reader_of_collectives_sees_one_across_labels():
    mesh = small_stack(num_entries=4, num_devices=8).mesh
    spec = jax.sharding.PartitionSpec("label", "data")
    summed = jax.jit(
        jax.shard_map(
            lambda x: jax.lax.psum(x, "label"),
            mesh=mesh,
            in_specs=spec,
            out_specs=jax.sharding.PartitionSpec(None, "data"),
        )
    )
    text = summed.lower(jnp.ones((4, 2))).compile().as_text()
    assert _crosses_labels(mesh, text)


@pytest.mark.parametrize("loop", ["dispatch", "vmap"])
def test_a_nan_in_one_label_changes_no_bit_of_the_others(loop):
    def poison(state):
        kernel = state.generator.params["stage_1"]["kernel"]
        state.generator.params["stage_1"]["kernel"] = kernel.at[3].set(jnp.nan)
        return state

    healthy, _ = small_stack(loop=loop).run(steps=3)
    poisoned, metrics = small_stack(loop=loop).run(steps=3, inject=poison)
    others = [0, 1, 2]
    pairs = zip(jax.tree.leaves(poisoned), jax.tree.leaves(healthy), strict=True)
    for left, right in pairs:
        np.testing.assert_array_equal(left[others], right[others])
    np.testing.assert_array_equal(metrics["skipped_in_a_row"], [0, 0, 0, 3])


def test_a_step_with_a_nan_is_not_applied():
    def poison(state):  # the statistics alone: parameters could still be updated
        mean = state.discriminator.batch_stats["stage_1"]["normalisation"]["mean"]
        state.discriminator.batch_stats["stage_1"]["normalisation"]["mean"] = mean.at[
            1
        ].set(jnp.inf)
        return state

    stack = small_stack()
    before = jax.device_get(stack.state)
    after, _ = stack.run(steps=1, inject=poison)
    for left, right in zip(
        jax.tree.leaves(after.generator), jax.tree.leaves(before.generator), strict=True
    ):
        np.testing.assert_array_equal(left[1], right[1])
    np.testing.assert_array_equal(after.skipped, [0, 1, 0, 0])
    np.testing.assert_array_equal(after.step, [1, 1, 1, 1])


@pytest.mark.slow
def test_four_devices_share_a_batch_alike_under_pmap():
    """The older way to share a batch; kept honest by the newer one."""
    stack = small_stack(num_entries=1, num_devices=4)
    assert dict(stack.mesh.shape) == {"label": 1, "data": 4}
    settings = StepSettings(make_loss("non_saturating", 0.0), 1, 0.99)
    # There gradients stay on their devices by themselves.
    reduction = mean_over(DATA_AXIS)._replace(as_local=lambda params: params)
    step = jax.pmap(
        make_train_step(stack.pair, settings, reduction),
        axis_name=DATA_AXIS,
        in_axes=(0, 0, None, None),
        devices=jax.devices()[:4],
    )
    state = jax.tree.map(lambda x: np.repeat(x, 4, axis=0), jax.device_get(stack.state))
    for number in range(3):
        batches = batch_at(number, 1, 12)
        batch = jax.tree.map(lambda x: x.reshape(4, 3, *x.shape[3:]), batches)
        state, _ = step(state, batch, 0, jax.random.key(5))
    expected, _ = stack.run(steps=3)
    one_copy = jax.tree.map(lambda x: x[:1], jax.device_get(state))
    _assert_close(one_copy, expected, 1e-5)
