"""How many devices share the labels, and how many share each label's batch."""

import math


def label_data_shape(
    num_devices: int, num_entries: int, batch_size: int, num_processes: int = 1
) -> tuple[int, int]:
    """Chooses how many devices share the labels and how many share each batch.

    Both axes must divide what they share, so with awkward numbers some devices stay
    idle. Of the shapes that keep most devices busy, the one with the longest label
    axis is taken, since nothing travels along it.

    Args:
      num_devices: devices of all processes.
      num_entries: generator/discriminator pairs.
      batch_size: images of one pair per step, over all devices.
      num_processes: with equal numbers of devices; each must hold a rectangle.

    Returns:
      (label, data); label * data <= num_devices.
    """
    shapes = [
        (label, data)
        for label in range(1, min(num_devices, num_entries) + 1)
        if num_entries % label == 0
        for data in range(1, min(num_devices // label, batch_size) + 1)
        if batch_size % data == 0 and _cuts_none(data, num_devices, num_processes)
    ]
    return max(shapes, key=lambda shape: (math.prod(shape), shape[0]))


def _cuts_none(data: int, num_devices: int, num_processes: int) -> bool:
    """Whether rows of `data` devices leave every process a rectangle."""
    each = num_devices // num_processes
    return num_processes == 1 or data % each == 0 or each % data == 0


def num_idle(
    num_devices: int, num_entries: int, batch_size: int, num_processes: int = 1
) -> int:
    """Devices that the shape leaves without work; arguments as above."""
    shape = label_data_shape(num_devices, num_entries, batch_size, num_processes)
    return num_devices - math.prod(shape)


def fitting_processes(
    num_processes: int, each: int, num_entries: int, batch_size: int
) -> list[int]:
    """The next smaller and larger numbers of processes that leave no device idle.

    Args:
      num_processes: that do not fit.
      each: devices of one process.
      num_entries: generator/discriminator pairs.
      batch_size: images of one pair per step, over all devices.

    Returns:
      One or two numbers, ascending; none where there are none.
    """

    def fit(number: int) -> bool:
        return num_idle(number * each, num_entries, batch_size, number) == 0

    most = num_entries * batch_size // each
    below = range(min(num_processes - 1, most), 0, -1)
    above = range(num_processes + 1, most + 1)
    found = [next(filter(fit, numbers), None) for numbers in (below, above)]
    return [number for number in found if number is not None]


def fitting_batch(
    num_devices: int, num_entries: int, batch_size: int, num_processes: int = 1
) -> int:
    """The batch size nearest to `batch_size` that leaves no device idle."""

    rows = [
        num_devices // label
        for label in range(1, min(num_devices, num_entries) + 1)
        if num_entries % label == num_devices % label == 0
    ]
    sizes = [
        size
        for data in rows
        if _cuts_none(data, num_devices, num_processes)
        for size in (batch_size // data * data, (batch_size // data + 1) * data)
        if size > 0
    ]
    return min(sizes, key=lambda size: (abs(size - batch_size), size))
