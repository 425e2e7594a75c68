"""The ring of a level: clients take turns, whatever lane their jobs are in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from scheduler.core.jobs import Client, Job, Seat


class Ring:
    """Round robin over the clients of one level, spanning all lanes of a pool.

    Attributes:
        items: waiting items that can be served here, for each lane.
    """

    __slots__ = ("_lanes", "_quantum", "_seated", "_stamps", "items")

    def __init__(self, quantum: int) -> None:
        self._quantum = quantum
        self._lanes: dict[str, OrderedDict[Seat, None]] = {}
        self._seated: dict[Seat, int] = {}
        self._stamps = [0, 0]
        self.items: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._seated)

    def __contains__(self, place: tuple[Seat, str]) -> bool:
        seat, lane = place
        return seat in self._lanes.get(lane, ())

    def seats(self, lane: str) -> Iterator[Seat]:
        """The seats with jobs in ``lane``, in the order of their turns."""
        return iter(self._lanes.get(lane, ()))

    def clients(self, lane: str) -> Iterator[Client]:
        """The clients with jobs in ``lane``."""
        return (seat.client for seat in self._lanes.get(lane, ()))

    def lanes(self) -> list[str]:
        """The lanes with jobs; first that of the job whose client's turn it is."""
        if not self._seated:
            return []
        lanes = [lane for lane, seats in self._lanes.items() if seats]
        if len(lanes) > 1:
            lanes.sort(key=self._turn)
        return lanes

    def _turn(self, lane: str) -> tuple[int, int]:
        seat = next(iter(self._lanes[lane]))
        job = self._job(seat, lane)
        return seat.stamp, job.stamp if job else 0

    @staticmethod
    def _job(seat: Seat, lane: str) -> Job | None:
        queue = seat.queues[lane]
        return queue.first_exempt() if seat.client.held else queue.first()

    def first(self, lane: str) -> Job | None:
        """The job in ``lane`` that is served next."""
        seats = self._lanes.get(lane)
        if not seats:
            return None
        seat = next(iter(seats))
        return self._job(seat, lane)

    def join(self, seat: Seat, lane: str) -> None:
        """``seat`` has jobs in ``lane`` now: a newcomer goes to the tail. Does nothing where it has its place."""
        seats = self._lanes.get(lane)
        if seats is None:
            seats = self._lanes[lane] = OrderedDict()
        if seat in seats:
            return
        if seat not in self._seated:
            seat.stamp = self._stamps[1] = self._stamps[1] + 1
            seat.turn_left = self._quantum
            self._seated[seat] = 0
        self._seated[seat] += 1
        seats[seat] = None

    def leave(self, seat: Seat, lane: str) -> None:
        """``seat`` has no more jobs in ``lane``. Does nothing where it had none."""
        seats = self._lanes.get(lane)
        if seats is None or seat not in seats:
            return
        del seats[seat]
        self._seated[seat] -= 1
        if not self._seated[seat]:
            del self._seated[seat]

    def end_turn(self, seat: Seat) -> None:
        """``seat`` goes to the tail with a whole turn."""
        seat.turn_left = self._quantum
        if seat in self._seated:
            seat.stamp = self._stamps[1] = self._stamps[1] + 1
            self._move(seat, last=True)

    def give_turn_back(self, seat: Seat, items: int) -> None:
        """``seat`` goes to the head with a turn of ``items``: what it was given did not run."""
        if seat in self._seated:
            seat.turn_left = min(self._quantum, items)
            seat.stamp = self._stamps[0] = self._stamps[0] - 1
            self._move(seat, last=False)

    def _move(self, seat: Seat, *, last: bool) -> None:
        for seats in self._lanes.values():
            if seat in seats:
                seats.move_to_end(seat, last=last)
