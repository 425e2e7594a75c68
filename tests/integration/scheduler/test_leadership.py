"""Who leads: one at a time, taken over when a leader goes, stops answering or is overtaken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scheduler.lease import Leadership
from tenfold.contract.errors import LeadershipLost
from tenfold.store.connection import connect
from tenfold.store.keys import Keys
from tenfold.store.scheduler_store import SchedulerStore

KEYS = Keys()


@pytest.fixture
def store(redis_url: str) -> Iterator[SchedulerStore]:
    """The scheduler's side of an empty keyspace."""
    with connect(redis_url) as client:
        yield SchedulerStore(client, KEYS, 60_000)


def is_due(leadership: Leadership) -> Leadership:
    """The same, as it is when its lease should be renewed."""
    leadership._renewed_s = float("-inf")
    return leadership


def lead_for_ms(store: SchedulerStore) -> Any:
    """What is left of the leader's lease."""
    return store.client.pttl(KEYS.leader)


def test_a_lease_is_renewed_when_it_is_due(store: SchedulerStore) -> None:
    """Keeping the leadership gives it its whole time again, but asks Redis about once a second only."""
    leader = Leadership(store)
    assert leader.take()
    store.client.pexpire(KEYS.leader, 500)
    leader.keep()
    assert lead_for_ms(store) <= 500
    is_due(leader).keep()
    assert lead_for_ms(store) > 500
    store.client.pexpire(KEYS.leader, 500)
    leader.keep()
    assert lead_for_ms(store) <= 500


def test_who_leads_keeps_others_from_it_until_it_gives_up(store: SchedulerStore) -> None:
    """A standby takes nothing from a leader that lives, and leads at once when that stops, with a later token."""
    leader, standby = Leadership(store), Leadership(store)
    assert leader.take()
    first = leader.token
    assert not standby.take()
    leader.give_up()
    assert standby.take()
    assert int(standby.token) > int(first)


def test_a_leader_that_was_overtaken_knows_it(store: SchedulerStore) -> None:
    """One that slept beyond its lease while another led stops, and takes nothing from that other."""
    asleep, other = Leadership(store), Leadership(store)
    asleep.take()
    store.client.delete(KEYS.leader)
    other.take()
    with pytest.raises(LeadershipLost):
        is_due(asleep).keep()
    assert asleep.token == ""
    is_due(other).keep()


def test_a_leader_that_nobody_replaced_starts_again(store: SchedulerStore) -> None:
    """Its lease ran out: what it knows may be old, so it does not just go on; nor does it keep the lead from itself."""
    asleep = Leadership(store)
    asleep.take()
    before = asleep.token
    store.client.delete(KEYS.leader)
    with pytest.raises(LeadershipLost):
        is_due(asleep).keep()
    assert asleep.take()
    assert int(asleep.token) > int(before)
