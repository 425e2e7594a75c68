"""The state tables: every move that is not in them raises and changes nothing."""

import itertools

import pytest

from tenfold.contract.errors import IllegalTransition
from tenfold.contract.states import (
    FINAL_ITEM_STATES,
    FINAL_JOB_STATES,
    ITEM_TRANSITIONS,
    JOB_TRANSITIONS,
    ItemEvent,
    ItemState,
    JobEvent,
    JobState,
    move,
)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(JobState, JobEvent)))
def test_a_job_moves_by_its_table_alone(state: JobState, event: JobEvent) -> None:
    """A job takes exactly the moves of its table; any other raises and names what is allowed."""
    if event in JOB_TRANSITIONS[state]:
        assert move(JOB_TRANSITIONS, state, event) is JOB_TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalTransition, match=state.value):
            move(JOB_TRANSITIONS, state, event)


@pytest.mark.parametrize(("state", "event"), list(itertools.product(ItemState, ItemEvent)))
def test_an_item_moves_by_its_table_alone(state: ItemState, event: ItemEvent) -> None:
    """An item takes exactly the moves of its table."""
    if event in ITEM_TRANSITIONS[state]:
        assert move(ITEM_TRANSITIONS, state, event) is ITEM_TRANSITIONS[state][event]
    else:
        with pytest.raises(IllegalTransition):
            move(ITEM_TRANSITIONS, state, event)


def test_the_final_states_are_those_of_the_contract() -> None:
    """Jobs end as succeeded, failed, canceled or expired; items as done, failed, canceled or expired."""
    assert {state.value for state in FINAL_JOB_STATES} == {"succeeded", "failed", "canceled", "expired"}
    assert {state.value for state in FINAL_ITEM_STATES} == {"done", "failed", "canceled", "expired"}


def test_every_state_can_be_reached_and_left_to_an_end() -> None:
    """No state is an island: each but the first is some move's target, and from each an end can be reached."""
    targets = {state for moves in JOB_TRANSITIONS.values() for state in moves.values()}
    assert set(JobState) - targets == {JobState.QUEUED}
    item_targets = {state for moves in ITEM_TRANSITIONS.values() for state in moves.values()}
    assert set(ItemState) - item_targets == set()
