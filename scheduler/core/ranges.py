"""The waiting indexes of a job: ranges, so that ten thousand images cost as much as one."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

Range = tuple[int, int]


class Ranges:
    """Half-open ranges of indexes in the order in which they will be served.

    Most jobs have one range, which is kept in place; only exceptions make a queue of more.

    Attributes:
        count: how many indexes there are.
    """

    __slots__ = ("_more", "_start", "_stop", "count")

    def __init__(self, ranges: Iterable[Range]) -> None:
        self._start = self._stop = self.count = 0
        self._more: deque[Range] | None = None
        first = True
        for start, stop in ranges:
            self.count += stop - start
            if first:
                self._start, self._stop, first = start, stop, False
            else:
                self._rest().append((start, stop))

    def _rest(self) -> deque[Range]:
        if self._more is None:
            self._more = deque()
        return self._more

    def __iter__(self) -> Iterator[int]:
        yield from range(self._start, self._stop)
        for start, stop in self._more or ():
            yield from range(start, stop)

    def take(self, most: int) -> Sequence[int]:
        """Remove and return the first ``most`` indexes, or all where there are fewer. O(ranges touched)."""
        start, stop = self._start, self._stop
        end = start + most
        if end < stop or not self._more:
            self._start = end = min(end, stop)
            self.count -= end - start
            return range(start, end)
        self.count -= stop - start
        self._start, self._stop = self._more.popleft()
        return [*range(start, stop), *self.take(end - stop)]

    def add(self, ranges: Iterable[Range]) -> int:
        """Append ``ranges``, which come after all there are, at the tail; how many indexes that is."""
        before = self.count
        for start, stop in ranges:
            self.count += stop - start
            if self._start == self._stop:
                self._start, self._stop = start, stop
            elif self._more:
                last_start, last_stop = self._more[-1]
                if last_stop == start:
                    self._more[-1] = last_start, stop
                else:
                    self._more.append((start, stop))
            elif self._stop == start:
                self._stop = stop
            else:
                self._rest().append((start, stop))
        return self.count - before

    def put_back(self, indexes: Sequence[int]) -> None:
        """Return ``indexes``, ascending, to the head."""
        for index in reversed(indexes):
            if self._start == self._stop:
                self._start, self._stop = index, index + 1
            elif self._start == index + 1:
                self._start = index
            else:
                self._rest().appendleft((self._start, self._stop))
                self._start, self._stop = index, index + 1
        self.count += len(indexes)

    def clear(self) -> None:
        """Forget all."""
        self._start = self._stop = self.count = 0
        self._more = None


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
