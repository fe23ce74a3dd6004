"""Laws of the convolution family: forms agree, derivatives are each other."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from benchmarks import convolution_candidates
from gan import convolution, convolution_forms


def _arrays(size, channels=3, depth=5, n=2):
    keys = jax.random.split(jax.random.key(size), 3)
    return (
        jax.random.normal(keys[0], (n, size, size, channels)),
        jax.random.normal(keys[1], (n, size // 2, size // 2, depth)),
        jax.random.normal(keys[2], (4, 4, channels, depth)),
    )


def _halved_by_hand(images, kernel):
    """Convolves with four loops, in NumPy."""
    n, size, _, _ = images.shape
    padded = np.pad(np.asarray(images), ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.zeros((n, size // 2, size // 2, kernel.shape[-1]))
    for y, x in itertools.product(range(size // 2), repeat=2):
        window = padded[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4]
        out[:, y, x] = np.einsum("nijc,ijcd->nd", window, np.asarray(kernel))
    return out


@pytest.mark.parametrize("size", [2, 8, 16])
def test_halve_is_the_convolution_written_out(size):
    images, _, kernel = _arrays(size)
    expected = _halved_by_hand(images, kernel)
    np.testing.assert_allclose(
        convolution.halve(images, kernel), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("size", [2, 8, 16])
@pytest.mark.parametrize("channels", [1, 6])
def test_every_form_of_a_map_gives_the_same_numbers(size, channels):
    images, small, kernel = _arrays(size, channels)
    families = [
        ("halve", (images, kernel)),
        ("double", (small, kernel)),
        ("gradient", (images, small)),
    ]
    forms = {**vars(convolution_forms), **vars(convolution_candidates)}
    for family, operands in families:
        reference = forms[f"{family}_by_convolution"](*operands)
        for name, form in forms.items():
            if name.startswith((f"{family}_by", f"fastest_{family}")):
                np.testing.assert_allclose(
                    form(*operands), reference, rtol=2e-4, atol=2e-4, err_msg=name
                )


@pytest.mark.parametrize("size", [4, 16])
def test_the_three_maps_are_the_derivatives_of_one_trilinear_form(size):
    images, small, kernel = _arrays(size)
    form = jnp.vdot(convolution.halve(images, kernel), small)
    np.testing.assert_allclose(
        jnp.vdot(convolution.double(small, kernel), images), form, rtol=1e-4
    )
    np.testing.assert_allclose(
        jnp.vdot(convolution.kernel_gradient(images, small), kernel), form, rtol=1e-4
    )


@pytest.mark.parametrize("name", ["halve", "double", "kernel_gradient"])
def test_first_and_second_derivatives_agree_with_finite_differences(name):
    images, small, kernel = _arrays(4, channels=2, depth=3, n=1)
    operands = {
        "halve": (images, kernel),
        "double": (small, kernel),
        "kernel_gradient": (images, small),
    }[name]

    def curved(left, right):  # the maps are bilinear: only a curve has second ones
        return jnp.sum(jnp.tanh(0.3 * getattr(convolution, name)(left, right)))

    check_grads(curved, operands, order=2, modes=["rev"], atol=2e-2, rtol=2e-2)
