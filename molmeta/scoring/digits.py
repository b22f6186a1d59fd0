"""Numbers with 6 significant digits, as fast as columns of them are written: vectorised, and yet exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DIGITS = 6
# All the powers of ten that are doubles.
_POWERS = np.array([float(f"1e{power}") for power in range(23)])
# Far more than scaling rounds off (1e-9), far less than what would hit many numbers.
_NEAR = 1e-6


def rounded(values: Floats) -> Floats:
    """The doubles nearest to the numbers that `f"{x:.6g}"` spells, for every x.

    Parameters
    ----------
    values : (n,) float64
        nan and infinities stay.

    Examples
    --------
    >>> rounded(np.array([0.123456789, 1234567.0, -0.0, np.inf])).tolist()
    [0.123457, 1234570.0, -0.0, inf]
    """
    usual = np.isfinite(values) & (values != 0)
    exponent = np.floor(np.log10(np.abs(np.where(usual, values, 1.0)))).astype(np.int64)
    power = DIGITS - 1 - exponent
    # One of the two is 1. Powers and whole numbers are exact, so that the last step rounds once, as float().
    up, down = _POWERS[np.clip(power, 0, 22)], _POWERS[np.clip(-power, 0, 22)]
    scaled = values * up / down
    whole = np.rint(scaled)
    found: Floats = whole / up * down
    # Scaling may have moved these over the border, or there is no power for them.
    with np.errstate(invalid="ignore"):
        unsure = (np.abs(np.abs(scaled - whole) - 0.5) < _NEAR) | (np.abs(power) > 22)
    for i in np.flatnonzero(usual & unsure):
        found[i] = float(f"{values[i]:.{DIGITS}g}")
    return found


def spelled(values: Floats, blank: str, spell: Callable[[float], str]) -> list[str]:
    """Rounded numbers as text: `blank` for nan, else what `spell` says of them.

    Parameters
    ----------
    values : (n,) float64
        From `rounded`.
    blank : str
    spell : callable
        Asked only where the shortest decimal without an exponent may not be what it says: numbers that are
        large, tiny or whole.

    Examples
    --------
    >>> spelled(np.array([0.123457, 1.0, 1e-05, np.nan]), "", "{:g}".format)
    ['0.123457', '1', '1e-05', '']
    """
    texts: list[str] = pa.array(values, from_pandas=True).cast(pa.string()).fill_null(blank).to_pylist()
    size = np.abs(values)
    plain = (size >= 1e-4) & (size < 1e6) & (values != np.rint(values))
    for i in np.flatnonzero(~plain & ~np.isnan(values)).tolist():
        texts[i] = spell(float(values[i]))
    return texts
