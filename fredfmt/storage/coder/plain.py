"""The context coder in Python: the same bytes as the compiled coder, a few hundred times slower."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fredfmt.storage.coder.failure import BadBytesError

_MODELS, _NODES, _UNARY = 3, 48, 24
_SCALES, _PLACES = 64, 64 * 4
_LONGEST, _SLOWEST_MEAN, _SLOWEST_SIZE, _FLOOR = 127, 36, 16, 64
_LOGISTIC = (22, 36, 60, 98, 162, 267, 439, 720, 1179, 1921, 3108, 4971, 7812, 11955, 17625, 24743, 32768)
"""65536 / (1 + exp(-x / 2)) for x = -16 to 0, rounded; the others are 65536 less those."""

_KNOTS = (*_LOGISTIC, *(65536 - value for value in _LOGISTIC[-2::-1]))
_SQUASH = [_KNOTS[x >> 7] + ((_KNOTS[(x >> 7) + 1] - _KNOTS[x >> 7]) * (x & 127) >> 7) for x in range(4096)]
_STRETCH = np.clip(np.searchsorted(_SQUASH[1:], 16 * np.arange(4096) + 8) - 2047, -2047, 2047).tolist()
PRICES = [round(-256 * math.log2((2 * p + 1) / 8192)) for p in range(4096)]
"""The cost of coding a bit in units of 1/256 bit, indexed by its probability in units of 1/4096."""
_RATE = [65536 // (2 * seen + 3) for seen in range(_LONGEST + 1)]
_WHOLE = 2**32 - 1


def encode(values: NDArray[np.integer]) -> bytes:
    """The bytes of values (instance, channel, frequency)."""
    coder = Coder()
    _code(coder, values)
    return bytes(coder.content) + coder.ending()


def decode(content: bytes | memoryview, dtype: np.dtype[Any], shape: tuple[int, int, int]) -> NDArray[Any]:
    """The reverse of `encode`."""
    values, stored = np.zeros(shape, dtype), bytes(content)
    coder = Coder(stored)
    _code(coder, values)
    if stored[coder.moved :] != coder.ending():
        raise BadBytesError("the content ends too early or too late")
    return values


def choose(wanted: NDArray[np.int64], dtype: np.dtype[Any], worth: int) -> NDArray[Any]:
    """The integers for real numbers in units of 1/256, (instance, channel, frequency): of the two nearest integers of
    each, the one with the lower sum of squared error and ``worth`` times its cost in bits."""
    values = np.zeros(wanted.shape, dtype)
    _code(Coder(), values, _Choice(wanted, worth))
    return values


@dataclass(frozen=True)
class _Choice:
    """The real numbers to round, and the weight of 1/256 bit against a squared error of (1/4096)²."""

    wanted: NDArray[np.int64]
    worth: int


class Coder:
    """Writes bits to bytes, or reads them from ``given`` bytes. Each method takes the bit to write and returns the bit
    that was written or read."""

    def __init__(self, given: bytes | None = None) -> None:
        self.low, self.high, self.moved = 0, _WHOLE, 0
        self.given, self.content = given, bytearray()
        self.code = int.from_bytes((given or b"")[:4].ljust(4, b"\0"), "big")
        self.weights = [[20480] * _MODELS for _ in range(_NODES)]
        self.signs = [[32768, 0] for _ in range(16)]
        self._models: dict[int, list[list[int]]] = {}

    def models(self, context: int) -> list[list[int]]:
        """The estimates of a context, one per node: the probability of a 1 in units of 1/65536, and the number of bits
        seen."""
        if context not in self._models:
            self._models[context] = [[32768, 0] for _ in range(_NODES)]
        return self._models[context]

    def bit(self, one: int, bit: int) -> int:
        """A bit that is 1 with probability ``one`` / 65536."""
        middle = self.low + ((self.high - self.low) * one >> 16)
        if self.given is not None:
            bit = int(self.code <= middle)
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while (self.low ^ self.high) < 1 << 24:
            if self.given is not None:
                following = self.given[self.moved + 4 : self.moved + 5] or b"\0"
                self.code = (self.code << 8 & _WHOLE) | following[0]
            else:
                self.content.append(self.high >> 24)
            self.moved += 1
            self.low, self.high = self.low << 8 & _WHOLE, (self.high << 8 & _WHOLE) | 255
        return bit

    def mixture(self, contexts: Sequence[list[list[int]]], node: int) -> int:
        """The probability of a 1 in units of 1/65536, mixed from the estimates of several contexts."""
        hints = [_STRETCH[models[node][0] >> 4] for models in contexts]
        mixture = sum(weight * hint for weight, hint in zip(self.weights[node], hints, strict=True)) >> 16
        return _SQUASH[_within(mixture, -2047, 2047) + 2048]

    def mixed(self, contexts: Sequence[list[list[int]]], node: int, bit: int) -> int:
        """Code a bit under the mixed estimates of several contexts, and adapt the estimates and their weights."""
        weights, estimates = self.weights[node], [models[node] for models in contexts]
        hints = [_STRETCH[estimate[0] >> 4] for estimate in estimates]
        one = self.mixture(contexts, node)
        bit = self.bit(one, bit)
        error = (bit << 16) - one
        for model, hint in enumerate(hints):
            weights[model] = _within(weights[model] + (hint * error + 16384 >> 15), -(1 << 20), 1 << 20)
            _learn(estimates[model], bit)
        return bit

    def difference(self, contexts: Sequence[list[list[int]]], fraction: int, digits: int, value: int) -> int:
        """Code a difference from the prediction: its number of binary digits, the digits from the second on, and its
        sign."""
        size = abs(value)
        count = 0
        while count < digits and self.mixed(contexts, min(count, _UNARY - 1), int(count < size.bit_length())):
            count += 1
        if not count:
            return 0
        coded = 1
        for place in range(count - 2, -1, -1):
            bit = size >> place & 1
            if place == count - 2:
                bit = self.mixed(contexts, _UNARY + min(count, _UNARY - 1), bit)
            else:
                bit = self.bit(32768, bit)
            coded = coded << 1 | bit
        below = int(fraction < 0)
        sign = self.signs[_sign_of(fraction, count)]
        other = self.bit(_within(sign[0], 32, 65504), int(value < 0) ^ below)
        _learn(sign, other)
        return -coded if other ^ below else coded

    def price(self, contexts: Sequence[list[list[int]]], fraction: int, digits: int, value: int) -> int:
        """The cost of `difference` in units of 1/256 bit; no estimate is adapted."""
        size = abs(value)
        length = size.bit_length()
        price = 0
        for count in range(min(digits, length + 1)):
            price += _price(self.mixture(contexts, min(count, _UNARY - 1)), int(count < length))
        if not length:
            return price
        if length > 1:
            second = size >> length - 2 & 1
            price += 256 * (length - 2) + _price(self.mixture(contexts, _UNARY + min(length, _UNARY - 1)), second)
        sign = self.signs[_sign_of(fraction, length)][0]
        return price + _price(_within(sign, 32, 65504), int(value < 0) ^ int(fraction < 0))

    def ending(self) -> bytes:
        """The fewest bytes that, followed by zeros, are a number from low to high."""
        for count in range(5):
            unit = 1 << (32 - 8 * count)
            number = -(-self.low // unit) * unit
            if number <= self.high:
                break
        return number.to_bytes(5, "big")[1 : 1 + count]


def _code(coder: Coder, values: NDArray[Any], choice: _Choice | None = None) -> None:
    """Write the values, or read them into the array."""
    least, most = int(np.iinfo(values.dtype).min), int(np.iinfo(values.dtype).max)
    instances, channels, frequencies = values.shape
    digits = (most - least).bit_length()
    decoding = coder.given is not None
    mean_by_value, mean_by_mean = 8192, 16384
    means = [[0] * frequencies for _ in range(channels)]
    sizes = [[0] * frequencies for _ in range(channels)]
    together, alone = [0] * channels, [0] * channels
    for instance in range(instances):
        row = values[instance].tolist()
        rate = 256 // (instance + 2)
        mean_rate, size_rate = max(rate, _SLOWEST_MEAN), max(rate, _SLOWEST_SIZE)
        found_along, expected_along = [0] * channels, [0] * channels
        for frequency in range(frequencies):
            before = found_across = expected_across = 0
            for channel in range(channels):
                mean = means[channel][frequency]
                level = _within(256 * mean_by_value // mean_by_mean, 0, 256) * mean >> 8
                slope = _within(256 * together[channel] // alone[channel], -512, 512) if alone[channel] else 256
                guess = _within(level + (slope * before >> 8 if channel else 0), 256 * least, 256 * most)
                centre = guess + 128 >> 8
                size = sizes[channel][frequency]
                if not instance:
                    size = sizes[channel][frequency - 1] if frequency else sizes[channel - 1][0] if channel else 1024

                scale = _logarithm(size)
                along = _logarithm(found_along[channel] + _FLOOR) - _logarithm(expected_along[channel] + _FLOOR)
                across = _logarithm(found_across + _FLOOR) - _logarithm(expected_across + _FLOOR) if channel else 0
                relation = _within(((across if channel else along) >> 2) + 8, 0, 15) * 16 + _within(scale >> 3, 0, 15)
                contexts = (
                    coder.models(_within(8 * scale + 3 * along + 4 * across >> 5, 0, _SCALES - 1)),
                    coder.models(_SCALES + min(frequency, 63) * 4 + min(channel, 3)),
                    coder.models(_SCALES + _PLACES + (256 if channel else 0) + relation),
                )
                fraction = guess - 256 * centre
                if choice is not None:
                    wanted = int(choice.wanted[instance, channel, frequency])
                    row[channel][frequency] = _chosen(coder, contexts, fraction, centre, digits, wanted, choice.worth)
                difference = coder.difference(contexts, fraction, digits, row[channel][frequency] - centre)
                value = centre + difference
                if not least <= value <= most:
                    raise BadBytesError("a value is out of range")
                if decoding and coder.moved > len(coder.given or b""):
                    raise BadBytesError("the content ends too early or too late")
                if decoding or choice is not None:
                    values[instance, channel, frequency] = value

                found = 256 * abs(difference)
                found_along[channel] += found - (found_along[channel] >> 3)
                expected_along[channel] += size - (expected_along[channel] >> 3)
                found_across += found
                expected_across += size
                sizes[channel][frequency] = size + ((found - size) * size_rate >> 8)
                near, middle = _within(16 * value, -32768, 32767), _within(mean >> 4, -32768, 32767)
                mean_by_value += near * middle - (mean_by_value >> 7)
                mean_by_mean += middle * middle - (mean_by_mean >> 7)
                beyond = 256 * value - level
                if channel:
                    x, y = _within(before >> 4, -32768, 32767), _within(beyond >> 4, -32768, 32767)
                    together[channel] += x * y - (together[channel] >> 12)
                    alone[channel] += x * x - (alone[channel] >> 12)
                before = beyond
                means[channel][frequency] = mean + ((256 * value - mean) * mean_rate >> 8)


def _chosen(
    coder: Coder,
    contexts: Sequence[list[list[int]]],
    fraction: int,
    centre: int,
    digits: int,
    wanted: int,
    worth: int,
) -> int:
    """Of the two integers next to a real number, the one with the lower sum of error and cost; the smaller if equal."""
    lower, over = wanted >> 8, wanted & 255
    if not over:
        return lower
    keep = 256 * over**2 + worth * coder.price(contexts, fraction, digits, lower - centre)
    higher = 256 * (256 - over) ** 2 + worth * coder.price(contexts, fraction, digits, lower + 1 - centre)
    return lower + int(higher < keep)


def _price(one: int, bit: int) -> int:
    """The cost of a bit that is 1 with probability ``one`` / 65536."""
    return PRICES[(one if bit else 65536 - one) >> 4]


def _sign_of(fraction: int, length: int) -> int:
    """The index of the estimate for the sign of a difference of this many binary digits."""
    return min(abs(fraction) >> 4, 7) * 2 + int(length > 1)


def _learn(estimate: list[int], bit: int) -> None:
    one, seen = estimate
    estimate[0] = one + (((65535 if bit else 0) - one) * _RATE[seen] >> 15)
    estimate[1] = min(seen + 1, _LONGEST)


def _logarithm(value: int) -> int:
    """About 8 log2 of the value."""
    digits = value.bit_length()
    return value if digits < 4 else 8 * (digits - 4) + (value >> digits - 4)


def _within(value: int, least: int, most: int) -> int:
    return least if value < least else most if value > most else value
