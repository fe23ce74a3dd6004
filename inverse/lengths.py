"""Units of length as files write them, in A."""

LENGTHS_A = {
    **dict.fromkeys(("a", "å", "angstrom", "angstroms"), 1.0),
    **dict.fromkeys(("nm", "n_m"), 10.0),
    "pm": 0.01,
    **dict.fromkeys(("um", "µm", "μm"), 1e4),
    "m": 1e10,
}
# What makes a length one of reciprocal space; the unit stands between them.
_INVERSE = (("1/", ""), ("", "^-1"), ("", "^{-1}"), ("", "⁻¹"), ("", "-1"))


def inverse_length_a(unit: str) -> float | None:
    """Length [A] of which `unit`, in lower case, is the inverse, such as "1/nm".

    None where it is no inverse of a length.
    """
    for before, after in _INVERSE:
        if unit.startswith(before) and unit.endswith(after) and (before or after):
            length = unit.removeprefix(before).removesuffix(after)
            if length in LENGTHS_A:
                return LENGTHS_A[length]
    return None
