"""The loss scale moves by what was summed."""

import jax.numpy as jnp
import pytest

from parallel.precision import (
    after_step,
    all_finite,
    create_loss_scale,
    keep_if,
    unscaled,
)

YES, NO = jnp.bool_(True), jnp.bool_(False)


def test_an_overflow_halves_the_scale_and_is_counted():
    start = create_loss_scale("float16")
    once = after_step(start, NO)
    assert once.scale == start.scale / 2
    twice = after_step(once, NO)
    assert (twice.skipped, twice.skipped_in_a_row) == (2, 2)
    healed = after_step(twice, YES)
    assert (healed.skipped, healed.skipped_in_a_row) == (2, 0)
    assert healed.scale == twice.scale


def test_two_thousand_good_steps_in_a_row_double_it():
    start = create_loss_scale("float16").replace(good_in_a_row=jnp.int32(1998))
    almost = after_step(start, YES)
    assert almost.scale == start.scale
    assert after_step(almost, YES).scale == 2 * start.scale
    assert after_step(after_step(almost, YES), YES).scale == 2 * start.scale
    assert after_step(after_step(almost, NO), YES).scale == start.scale / 2


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_wide_types_are_not_scaled_but_their_bad_steps_are_counted(dtype):
    after = after_step(create_loss_scale(dtype), NO)
    assert after.scale == 1 and after.skipped == 1


def test_unscaling_is_exact_and_bad_numbers_are_found_in_any_leaf():
    scale = create_loss_scale("float16")
    grads = {"a": jnp.array([0.1, 3.0]), "b": jnp.array([1e-7])}
    scaled = {name: x * scale.scale for name, x in grads.items()}
    for name, leaf in unscaled(scaled, scale).items():
        assert (leaf == grads[name]).all()
    assert all_finite(grads)
    for bad in (jnp.inf, -jnp.inf, jnp.nan):
        assert not all_finite({**grads, "b": jnp.array([bad])})
    assert keep_if(NO, grads, scaled)["b"] == scaled["b"]


def test_nothing_is_finite():
    assert all_finite({})
