"""Error bars from errors that were seen: split conformal prediction."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# What intervals are to hold.
PROBABILITIES = (0.68, 0.95)


class Calibration(NamedTuple):
    """What predicted standard deviations are multiplied with.

    Attributes:
      spread: to the root mean square of errors [channel], for the likelihood.
      quantile: to the half widths of PROBABILITIES' intervals [probability, channel].
    """

    spread: np.ndarray
    quantile: np.ndarray


class Calibrated(NamedTuple):
    """A prediction with error bars, in degrees and pm.

    Attributes:
      mean: [..., channel].
      log_variance: of a Gaussian [..., channel].
      half_width: of the intervals about the mean [probability, ..., channel].
    """

    mean: np.ndarray
    log_variance: np.ndarray
    half_width: np.ndarray


def calibrate(
    error: np.ndarray, log_variance: np.ndarray, alike: Sequence[int] | None = None
) -> Calibration:
    """Reads factors off errors on crystals that were not trained on.

    The interval of p reaches as far as a share p of the errors seen, in predicted
    standard deviations; with n crystals, as far as ceil((n + 1) p) / n of them (Vovk et
    al., 2005; Angelopoulos and Bates, arXiv:2107.07511). A new crystal falls inside
    with probability p if it could as well have been one of the n. Cells of a crystal
    go together, so crystals are counted.

    Args:
      error: [crystal, ..., channel].
      log_variance: as predicted, of the same shape.
      alike: a number for each channel: those of one number have one calibration, as
        x and y must, or bars would change when the image is turned. By default each
        has its own.
    """
    count, num_channels = len(error), error.shape[-1]
    kinds = np.arange(num_channels) if alike is None else np.asarray(alike)
    size = np.abs(error) * np.exp(-log_variance / 2)
    share = np.minimum(np.ceil((count + 1) * np.array(PROBABILITIES)) / count, 1.0)
    spread, quantile = np.empty(num_channels), np.empty((len(share), num_channels))
    for kind in np.unique(kinds):
        members = size[..., kinds == kind]
        spread[kinds == kind] = np.sqrt(np.mean(members**2))
        found = np.quantile(members, share, method="higher")
        quantile[:, kinds == kind] = found[:, None]
    return Calibration(spread, quantile)


def apply(
    calibration: Calibration, mean: np.ndarray, log_variance: np.ndarray
) -> Calibrated:
    """Gives predictions [..., channel] their error bars."""
    half_width = np.stack([q * np.exp(log_variance / 2) for q in calibration.quantile])
    # A channel without any error is as certain as float32 can say.
    spread = np.log(np.maximum(calibration.spread, 1e-6)).astype(np.float32)
    return Calibrated(mean, log_variance + 2 * spread, half_width)


def inside(made: Calibrated, truth: np.ndarray) -> np.ndarray:
    """Whether truths lie within the intervals [probability, ..., channel]."""
    return np.abs(truth - made.mean)[None] <= made.half_width


def left_out_coverage(
    error: np.ndarray,
    log_variance: np.ndarray,
    group: np.ndarray,
    alike: Sequence[int] | None = None,
) -> np.ndarray:
    """Coverage of each group by intervals read off the others.

    Args:
      error: [crystal, ..., channel].
      log_variance: of the same shape.
      group: of each crystal [crystal], such as its compound.
      alike: see `calibrate`.

    Returns:
      [group, probability, channel].
    """
    found = []
    for one in np.unique(group):
        own = group == one
        factors = calibrate(error[~own], log_variance[~own], alike)
        made = apply(factors, np.zeros_like(error[own]), log_variance[own])
        hit = inside(made, error[own])
        found.append(hit.mean(axis=tuple(range(1, hit.ndim - 1))))
    return np.stack(found)
