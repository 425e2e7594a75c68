"""The waiting indexes of a job: ranges, so that ten thousand images cost as much as one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

Range = tuple[int, int]


class Ranges:
    """Half-open ranges of indexes in the order in which they will be served.

    Attributes:
        count: how many indexes there are.
    """

    __slots__ = ("_ranges", "count")

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._ranges = deque(ranges)
        self.count = sum(stop - start for start, stop in self._ranges)

    def __iter__(self) -> Iterator[int]:
        for start, stop in self._ranges:
            yield from range(start, stop)

    def take(self, most: int) -> Sequence[int]:
        """Remove and return the first ``most`` indexes, or all where there are fewer. O(ranges touched)."""
        ranges = self._ranges
        start, stop = ranges[0]
        end = start + most
        if end < stop:
            ranges[0] = (end, stop)
            self.count -= most
            return range(start, end)
        ranges.popleft()
        self.count -= stop - start
        if end == stop or not ranges:
            return range(start, stop)
        return [*range(start, stop), *self.take(end - stop)]

    def put_back(self, indexes: Sequence[int]) -> None:
        """Return ``indexes``, ascending, to the head."""
        ranges = self._ranges
        for index in reversed(indexes):
            if ranges and ranges[0][0] == index + 1:
                ranges[0] = (index, ranges[0][1])
            else:
                ranges.appendleft((index, index + 1))
        self.count += len(indexes)

    def clear(self) -> None:
        """Forget all."""
        self._ranges.clear()
        self.count = 0


def without(count: int, rejected: Iterable[int]) -> list[Range]:
    """The ranges of 0..``count`` less ``rejected``."""
    ranges = []
    start = 0
    for index in sorted(rejected):
        if start <= index < count:
            if start < index:
                ranges.append((start, index))
            start = index + 1
    if start < count:
        ranges.append((start, count))
    return ranges


def excluding(ranges: Iterable[Range], singled_out: Iterable[int]) -> list[Range]:
    """``ranges`` less the indexes ``singled_out``."""
    out = set(singled_out)
    left: list[Range] = []
    for start, stop in ranges:
        inside = [index - start for index in out if start <= index < stop]
        left.extend((start + a, start + b) for a, b in without(stop - start, inside))
    return left
