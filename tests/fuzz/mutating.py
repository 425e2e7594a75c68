"""Bytes made wrong in the ways in which files go wrong, and in those in which attackers make them. Seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

# Lengths, counts and sizes at which readers break.
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD = 64


def mutant(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of ``seeds`` after one to six mutations."""
    data = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 2, 3, 6))):
        random.choice(_MUTATIONS)(random, data, seeds)
    return bytes(data)


def _place(random: Random, data: bytearray) -> int:
    """Mostly anywhere, often near the beginning or the end, where headers and directories stand."""
    if not data:
        return 0
    reach = random.choice((len(data), _HEAD, -_HEAD))
    place = random.randrange(min(abs(reach), len(data)))
    return place if reach > 0 else len(data) - 1 - place


def _flip(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    if data:
        data[_place(random, data)] ^= 1 << random.randrange(8)


def _noise(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, data)
    data[at : at + random.randrange(1, 9)] = random.randbytes(random.randrange(1, 9))


def _number(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    width = random.choice((1, 2, 4))
    value = random.choice(_INTERESTING) % (1 << 8 * width)
    at = _place(random, data)
    data[at : at + width] = value.to_bytes(width, random.choice(("big", "little")))


def _cut(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_place(random, data) :]


def _lose(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, data)
    del data[at : at + random.randrange(1, 257)]


def _repeat(random: Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _place(random, data)
    data[at:at] = data[at : at + random.randrange(1, 257)] * random.randrange(1, 5)


def _splice(random: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = random.choice(seeds)
    at, start = _place(random, data), random.randrange(len(other))
    data[at : at + 256] = other[start : start + 256]


_MUTATIONS: Sequence[Callable[[Random, bytearray, Sequence[bytes]], None]] = (
    _flip,
    _flip,
    _noise,
    _number,
    _number,
    _cut,
    _lose,
    _repeat,
    _splice,
)
