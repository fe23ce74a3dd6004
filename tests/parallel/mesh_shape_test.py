"""Laws of the mesh's shape: no larger one divides; what is advised divides."""

import pytest

from parallel.mesh_shape import (
    fitting_batch,
    fitting_processes,
    label_data_shape,
    num_idle,
)

SHAPES = [
    # devices, pairs, batch -> label, data
    (1, 10, 100, (1, 1)),
    (2, 10, 100, (2, 1)),
    (3, 10, 99, (1, 3)),
    (4, 10, 100, (2, 2)),
    (6, 10, 100, (5, 1)),
    (6, 10, 99, (2, 3)),
    (8, 10, 100, (2, 4)),
    (8, 100, 100, (4, 2)),
    (8, 1, 64, (1, 8)),
    (24, 1000, 100, (20, 1)),
    (24, 1000, 96, (8, 3)),
    (2000, 1000, 100, (1000, 2)),
]


@pytest.mark.parametrize(("devices", "pairs", "batch", "shape"), SHAPES)
def test_labels_are_shared_before_batches(devices, pairs, batch, shape):
    assert label_data_shape(devices, pairs, batch) == shape


@pytest.mark.parametrize("pairs", [1, 2, 7, 10])
@pytest.mark.parametrize("batch", [1, 6, 32])
def test_both_axes_divide_and_no_larger_mesh_does(pairs, batch):
    for devices in range(1, 13):
        label, data = label_data_shape(devices, pairs, batch)
        assert pairs % label == batch % data == 0
        others = [
            a * b
            for a in range(1, devices + 1)
            for b in range(1, devices // a + 1)
            if pairs % a == batch % b == 0
        ]
        assert label * data == max(others) <= devices


@pytest.mark.parametrize(
    ("processes", "each", "pairs", "batch"),
    [(2, 4, 2, 12), (2, 6, 3, 12), (4, 6, 2, 12), (4, 6, 1000, 96), (24, 1, 8, 9)],
)
def test_every_process_holds_a_rectangle(processes, each, pairs, batch):
    label, data = label_data_shape(processes * each, pairs, batch, processes)
    assert label * data == processes * each
    for process in range(processes):
        places = [divmod(process * each + i, data) for i in range(each)]
        rows, columns = ({p[axis] for p in places} for axis in (0, 1))
        assert len(rows) * len(columns) == each


def test_a_shape_that_cuts_processes_across_rows_is_not_taken():
    assert label_data_shape(12, 3, 4) == (3, 4)
    assert num_idle(12, 3, 4) == 0
    assert num_idle(12, 3, 4, num_processes=2) > 0


@pytest.mark.parametrize(
    ("processes", "each", "pairs", "batch", "near"),
    [
        (24, 1, 1000, 100, [20, 25]),
        (3, 1, 10, 8, [2, 4]),
        (4, 6, 1000, 100, []),  # three is no factor of either
        (4, 6, 1000, 96, [2, 5]),
        (3, 1, 1, 2, [2]),
        (2, 4, 1, 2, []),
    ],
)
def test_the_next_numbers_of_processes_that_fit(processes, each, pairs, batch, near):
    found = fitting_processes(processes, each, pairs, batch)
    assert found == near
    for number in found:
        assert num_idle(number * each, pairs, batch, number) == 0


@pytest.mark.parametrize(
    ("devices", "processes", "pairs", "batch", "near"),
    [
        (24, 24, 1000, 100, 99),
        (3, 3, 10, 8, 9),
        (8, 2, 1, 2, 8),
        (7, 1, 10, 6, 7),
        (12, 2, 3, 4, 12),
    ],
)
def test_the_nearest_batch_that_fits(devices, processes, pairs, batch, near):
    assert fitting_batch(devices, pairs, batch, processes) == near
    assert num_idle(devices, pairs, near, processes) == 0
    distance = abs(near - batch)
    for size in range(max(1, batch - distance + 1), batch + distance):
        assert num_idle(devices, pairs, size, processes) > 0
