"""The codec: what goes out comes back, and what is not ours is refused."""

import pytest

from tenfold.contract.codec import decode, decode_event, encode, encode_event
from tenfold.contract.errors import BadMessage
from tenfold.contract.events import BatchClaimed, BatchEnded, EndReason
from tenfold.contract.records import (
    BatchRecord,
    DetectOptions,
    ItemError,
    ItemResult,
    JobShare,
    Submission,
    lane_name,
)

BATCH = BatchRecord(
    "000001-000000001", "workers", "toy@64", "toy", 64, 0, [("j", 0)], {"j": JobShare(DetectOptions(conf=0.5), 1.5)}
)


def test_a_record_survives_its_way() -> None:
    """A decoded record equals the encoded one, defaults and nesting included."""
    assert decode(encode(BATCH), BatchRecord) == BATCH
    assert decode(encode(DetectOptions()), DetectOptions) == DetectOptions()
    result = ItemResult(3, None, None, None, ItemError("invalid_image", "cut short"))
    assert decode(encode(result), ItemResult) == result


def test_a_record_is_read_by_versions_before_and_after() -> None:
    """A job that nobody traces is written as ever, and a field that a reader does not know changes nothing for it."""
    untraced = Submission("j", "c", "toy", 64, "p", "toy@64", 1, 3, 1.0)
    assert b"traceparent" not in encode(untraced)
    newer = encode(untraced).replace(b'"job_id"', b'"to_come":{"a":[1]},"job_id"')
    assert decode(newer, Submission) == untraced


def test_an_event_survives_its_way() -> None:
    """A decoded event is of its kind and equal."""
    event = BatchEnded("b", "w", EndReason.PREEMPTED, [3, 4], [(3, 12.5)])
    assert decode_event(encode_event(event)) == event
    assert decode_event(b'{"type":"batch_claimed","batch_id":"b","worker":"w"}') == BatchClaimed("b", "w")


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b'{"v":2,"conf":0.5}', b'{"conf":0.5}', b'{"v":1,"conf":"high"}', b"\x80\x04pickled", b'{"v":1'],
)
def test_what_is_not_ours_is_refused(data: bytes) -> None:
    """Other versions, other kinds and other bytes raise BadMessage instead of being guessed at."""
    with pytest.raises(BadMessage):
        decode(data, DetectOptions)


@pytest.mark.parametrize("data", [b"", b"{}", b'{"type":"os.system"}', b"[1]"])
def test_an_unknown_event_is_refused(data: bytes) -> None:
    """An event of no known kind raises BadMessage."""
    with pytest.raises(BadMessage):
        decode_event(data)


def test_a_lane_never_runs_into_the_keys_around_it() -> None:
    """A model's name may hold anything; in a lane only what cannot be taken for a separator remains."""
    assert lane_name("demo", 320) == "demo@320"
    assert lane_name("synthetic:base_ms=5,item_ms=2", 64).startswith("synthetic_base_ms_5_item_ms_2.")
    assert ":" not in lane_name("a:b/c d", 64)
    assert len({lane_name(name, 64) for name in ("a b", "a_b", "a:b", "a.b")}) == 4
