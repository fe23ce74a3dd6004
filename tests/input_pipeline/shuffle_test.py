import numpy as np
import pytest

from input_pipeline.flip import flip, flip_keys, mirrored
from input_pipeline.shuffle import ShuffledSequence, permutation

GOLDEN = ([0, 3, 7, 5, 1, 2, 6, 4], [6, 2, 0, 7, 1, 5, 3, 4])


@pytest.mark.parametrize("num", [1, 2, 7, 500])
def test_an_epoch_shows_every_image_once(num):
    indices = np.arange(num) * 3 + 5
    sequence = ShuffledSequence(indices, seed=1, entry=2)
    for epoch in range(3):
        seen = sequence.at(np.arange(epoch * num, (epoch + 1) * num))
        np.testing.assert_array_equal(np.sort(seen), indices)


def test_the_order_is_the_same_on_every_machine_for_every_numpy():
    # If this changes, runs that were begun before do not resume bit for bit.
    assert permutation(0, 0, 0, 8).tolist() == GOLDEN[0]
    assert permutation(7, 3, 2, 8).tolist() == GOLDEN[1]


def test_orders_differ_by_seed_entry_and_epoch():
    addresses = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    orders = {tuple(permutation(*address, 50).tolist()) for address in addresses}
    assert len(orders) == 4


def test_the_first_image_of_an_epoch_is_any_image_equally_often():
    first = [permutation(0, 0, epoch, 4)[0] for epoch in range(4000)]
    counts = np.bincount(first, minlength=4)
    assert np.sum((counts - 1000) ** 2 / 1000) < 16.3  # chi-squared, p = 0.001


def test_positions_may_be_asked_for_in_any_order_and_across_epochs():
    positions = np.random.default_rng(0).integers(0, 70, 200)
    one_by_one = [
        ShuffledSequence(np.arange(10), 3, 4).at(np.array([position]))[0]
        for position in positions
    ]
    sequence = ShuffledSequence(np.arange(10), 3, 4)
    np.testing.assert_array_equal(sequence.at(positions), one_by_one)
    for position, expected in zip(positions, one_by_one, strict=True):
        assert sequence.at(np.array([position]))[0] == expected


def test_old_orders_are_forgotten():
    sequence = ShuffledSequence(np.arange(10), 0, 0)
    for position in range(0, 1000, 10):
        sequence.at(np.array([position]))
    assert len(sequence._orders) <= 2


def test_far_positions_are_reached_at_once():
    sequence = ShuffledSequence(np.arange(10), 0, 0)
    assert sequence.at(np.array([10**15]))[0] in range(10)


def test_every_second_image_is_mirrored_independently_of_its_neighbours():
    chosen = mirrored(flip_keys(0, range(20)), np.arange(20_000))
    assert chosen.shape == (20, 20_000)
    share = chosen.mean(axis=1)
    np.testing.assert_allclose(share, 0.5, atol=4 * 0.5 / np.sqrt(20_000))
    signs = chosen * 2.0 - 1
    for shift in (1, 2, 3, 64):
        together = np.mean(signs[:, shift:] * signs[:, :-shift])
        assert abs(together) < 4 / np.sqrt(signs.size)
    between = signs @ signs.T / signs.shape[1] - np.eye(20)
    assert np.abs(between).max() < 5 / np.sqrt(20_000)


def test_a_flip_depends_on_seed_entry_and_position_only():
    whole = mirrored(flip_keys(5, [0, 1, 2]), np.arange(100))
    part = mirrored(flip_keys(5, [2]), np.array([99, 7]))
    np.testing.assert_array_equal(part[0], whole[2, [99, 7]])
    assert (whole != mirrored(flip_keys(6, [0, 1, 2]), np.arange(100))).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_flipping_mirrors_left_to_right_where_it_is_asked_to(channels):
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 5, channels))
    which = np.array([[True, False, True], [False, False, True]])
    expected = images.copy()
    for place in zip(*np.nonzero(which), strict=True):
        expected[place] = np.stack([row[::-1] for row in images[place]])
    flip(images, which)
    np.testing.assert_array_equal(images, expected)
