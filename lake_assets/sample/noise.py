"""Random numbers that are a function of their place, not of what was drawn before.

Here: SplitMix64 over whole arrays, and the few ways a draw is used. Every number is integer
arithmetic on (seed, place, name of the draw), so it is the same on any machine, for any NumPy and
in any order of generation. Not here: what the numbers mean.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1
_QUANTILES = [NormalDist().inv_cdf((i + 0.5) / 1024) for i in range(1024)]


def _mix(x: Bits) -> Bits:
    """SplitMix64's finaliser, in place on a fresh array."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def places(seed: int, outer: Ints, inner: Ints) -> Bits:
    """One state a place: (day, line), (day, document) or (0, customer)."""
    place = (outer.astype(np.uint64) << np.uint64(32)) + inner.astype(np.uint64)
    return _mix(place + np.uint64(seed * _GOLDEN & _MASK))


def draw(place: Bits, name: str) -> Bits:
    """64 bits a place for the draw called `name`."""
    return _mix(place + np.uint64(zlib.crc32(name.encode()) * _GOLDEN & _MASK))


def below(place: Bits, name: str, limit: int | Ints) -> Ints:
    """Whole numbers in [0, limit), limit < 2**32."""
    top = draw(place, name) >> np.uint64(32)
    scaled: Bits = (top * np.asarray(limit, np.uint64)) >> np.uint64(32)
    return scaled.astype(np.int64)


def one_in(place: Bits, name: str, n: int) -> Bools:
    """True for one place in `n`."""
    hit: Bools = below(place, name, n) == 0
    return hit


def choose(place: Bits, name: str, weights: Sequence[int]) -> Ints:
    """An index into `weights`, as often as its weight says."""
    bounds = np.cumsum(np.asarray(weights, np.int64))
    return np.searchsorted(bounds, below(place, name, int(bounds[-1])), side="right")


def lognormal(sigma: float) -> Ints:
    """1024 equally likely factors in thousandths with median 1000, a table to index by draws."""
    return np.array([max(1, round(1000 * math.exp(sigma * q))) for q in _QUANTILES], np.int64)


def normal(sigma: float) -> Ints:
    """1024 equally likely deviations in thousandths with mean 0, a table to index by draws."""
    return np.array([round(1000 * sigma * q) for q in _QUANTILES], np.int64)
