"""Random numbers with random access: a draw depends on its key and its index, never on what was asked before.

That is what makes the simulated market the same for every order of questions.
"""

import hashlib

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_LOW16 = np.uint64(0xFFFF)
_FOUR_SD = 65536.0 / np.sqrt(3.0)  # standard deviation of the sum of four 16-bit uniforms


def key(seed: int, *words: object) -> int:
    """A 64-bit key of a seed and a few words."""
    text = ":".join([str(seed), *map(str, words)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def bits(stream: int, index: Ints) -> Bits:
    """64 random bits for each index (the splitmix64 finaliser)."""
    z = index.astype(np.uint64)
    z *= _GOLDEN
    z += np.uint64(stream)
    z ^= z >> np.uint64(30)
    z *= _MIX_A
    z ^= z >> np.uint64(27)
    z *= _MIX_B
    z ^= z >> np.uint64(31)
    return z


def field(word: Bits, shift: int, width: int) -> Floats:
    """A uniform number in (0, 1) from `width` of the 64 bits."""
    part = (word >> np.uint64(shift)) & np.uint64((1 << width) - 1)
    return (part.astype(np.float64) + 0.5) * 2.0**-width


def uniform(stream: int, index: Ints) -> Floats:
    """Uniform in (0, 1) for each index."""
    return field(bits(stream, index), 11, 53)


def normal(stream: int, index: Ints) -> Floats:
    """Nearly normal, unit variance, within 3.5 (a sum of four uniforms; the tails come from the volatility)."""
    word = bits(stream, index)
    total = (word & _LOW16) + (word >> np.uint64(48))
    total += (word >> np.uint64(16)) & _LOW16
    total += (word >> np.uint64(32)) & _LOW16
    return (total.astype(np.float64) - 131070.0) / _FOUR_SD


def wave(stream: int, minutes: Ints, step: int, memory: float) -> Floats:
    """A slow random wave of unit variance at each of the rising `minutes`.

    Independent shocks every `step` minutes fade with `memory` steps; between steps it is interpolated.
    """
    taps = int(memory * 4) + 1
    first = int(minutes[0]) // step
    last = int(minutes[-1]) // step + 2
    shocks = normal(stream, np.arange(first - taps + 1, last + 1, dtype=np.int64))
    kernel = np.exp(-np.arange(taps) / memory)
    levels = np.convolve(shocks, kernel / np.sqrt(np.sum(kernel**2)), "valid")
    # Rounded, because the last bits of a convolution depend on its length, and so on what was asked.
    levels = np.round(levels, 9)
    return np.interp(minutes, np.arange(first, last + 1) * step, levels)
