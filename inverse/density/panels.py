"""Pictures of predictions: what went in, what is true, what came out, what is wrong."""

import numpy as np
from PIL import Image, ImageDraw

from inverse.scan.geometry import Scan

_TILE = 192  # pixels of a panel's side
_GAP = 6
_CAPTION = 14
# Dark blue over green to yellow: even steps of lightness, also in black and white.
_COLOURS = np.array(
    [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], float
)
_SIGNED = np.array([(33, 102, 172), (247, 247, 247), (178, 24, 43)], float)
_BAR_LENGTHS_A = (1, 2, 5, 10, 20, 50, 100)


def _coloured(values: np.ndarray, low: float, high: float, colours) -> Image.Image:
    place = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(colours) - 1)
    channels = [
        np.interp(place, np.arange(len(colours)), colours[:, c]) for c in range(3)
    ]
    picture = Image.fromarray(np.stack(channels, -1).round().astype(np.uint8))
    return picture.resize((_TILE, _TILE), Image.Resampling.NEAREST)


def _add_scale_bar(picture: Image.Image, side_a: float) -> Image.Image:
    length = max(a for a in _BAR_LENGTHS_A if a <= max(side_a / 3, 1))
    draw, y = ImageDraw.Draw(picture), _TILE - 10
    draw.rectangle((8, y, 8 + length / side_a * _TILE, y + 3), fill="white")
    draw.text((8, y - 13), f"{length} A", fill="white")
    return picture


def _mosaic(patterns: np.ndarray, scan: Scan) -> Image.Image:
    """Every pattern at its probe position; [ky, kx, position]."""
    rows, columns = scan.positions
    ky, kx, _ = patterns.shape
    shown = np.sqrt(np.maximum(patterns, 0)).reshape(ky, kx, rows, columns)
    whole = shown.transpose(2, 0, 3, 1).reshape(rows * ky, columns * kx)
    return _coloured(whole, 0, float(np.percentile(whole, 99.9)), _COLOURS)


def _profile(truth: np.ndarray, prediction: np.ndarray) -> Image.Image:
    """Both maps along the row that has the highest peak."""
    row = int(np.unravel_index(truth.argmax(), truth.shape)[0])
    picture = Image.new("RGB", (_TILE, _TILE), "white")
    draw = ImageDraw.Draw(picture)
    both = np.stack([truth[row], prediction[row]])
    low, high = both.min(), max(both.max(), both.min() + 1e-12)
    x = np.linspace(4, _TILE - 4, both.shape[1])
    for line, colour in zip(both, ("black", (178, 24, 43)), strict=True):
        y = _TILE - 4 - (line - low) / (high - low) * (_TILE - 36)
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=2)
    draw.text((4, 2), "truth black, prediction red", fill="black")
    draw.text((4, 14), f"{low:.0f} to {high:.0f} V A", fill="black")
    return picture


def panel_rows(
    patterns: np.ndarray, truth: np.ndarray, prediction: np.ndarray, scan: Scan
) -> np.ndarray:
    """Draws one row per example.

    Args:
      patterns: intensities [n, ky, kx, position].
      truth: maps [n, y, x] in V Å.
      prediction: maps [n, y, x] in V Å.
      scan: geometry of all.

    Returns:
      uint8 [y', x', 3]: patterns at their positions, truth, prediction, residual, a
      line profile; bars give lengths, captions the range of values.
    """
    n, columns = len(truth), 5
    width = columns * (_TILE + _GAP) + _GAP
    height = n * (_TILE + _CAPTION + _GAP) + _GAP
    sheet = Image.new("RGB", (width, height), (40, 40, 40))
    draw = ImageDraw.Draw(sheet)
    for i in range(n):
        low, high = float(truth[i].min()), float(truth[i].max())
        residual = prediction[i] - truth[i]
        bound = float(np.abs(residual).max())
        side_a = truth.shape[1] * scan.pixel_a
        pictures = {
            "patterns (sqrt)": _mosaic(patterns[i], scan),
            f"truth {low:.0f} to {high:.0f} V A": _add_scale_bar(
                _coloured(truth[i], low, high, _COLOURS), side_a
            ),
            "prediction, same scale": _add_scale_bar(
                _coloured(prediction[i], low, high, _COLOURS), side_a
            ),
            f"residual +-{bound:.0f} V A": _coloured(residual, -bound, bound, _SIGNED),
            f"line of {side_a:.0f} A through the peak": _profile(
                truth[i], prediction[i]
            ),
        }
        y = _GAP + i * (_TILE + _CAPTION + _GAP)
        for column, (caption, picture) in enumerate(pictures.items()):
            x = _GAP + column * (_TILE + _GAP)
            draw.text((x, y), caption, fill="white")
            sheet.paste(picture, (x, y + _CAPTION))
    return np.asarray(sheet)
