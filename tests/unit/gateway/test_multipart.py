import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crud.multipart import PartBegan, PartData, PartEnded, PartEvent, boundary_of, read_parts
from tenfold.contract.errors import InvalidRequest

BODY = (
    b'--b\r\nContent-Disposition: form-data; name="conf"\r\n\r\n0.5\r\n'
    b'--b\r\nContent-Disposition: form-data; name="files"; filename="\xc3\xa4.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    b"\xff\xd8\r\n--not the boundary\r\n\r\n"
    b"--b--\r\n"
)
PARTS = [("conf", None, "", b"0.5"), ("files", "ä.jpg", "image/jpeg", b"\xff\xd8\r\n--not the boundary\r\n")]


def read(chunks: Sequence[bytes], boundary: bytes = b"b") -> list[PartEvent]:
    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def run() -> list[PartEvent]:
        return [event async for event in read_parts(body(), boundary)]

    return asyncio.run(run())


def gathered(events: list[PartEvent]) -> list[tuple[str, str | None, str, bytes]]:
    parts: list[tuple[str, str | None, str, bytes]] = []
    for event in events:
        match event:
            case PartBegan(name, filename, content_type):
                parts.append((name, filename, content_type, b""))
            case PartData(data):
                parts[-1] = (*parts[-1][:3], parts[-1][3] + data)
            case PartEnded():
                pass
    return parts


@given(st.lists(st.integers(0, len(BODY)), max_size=12))
def test_parts_are_the_same_however_the_body_is_cut(cuts: list[int]) -> None:
    """Where the network cuts a body changes nothing."""
    places = [0, *sorted(cuts), len(BODY)]
    chunks = [BODY[a:b] for a, b in pairwise(places)]
    assert gathered(read(chunks)) == PARTS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        BODY[:-6],
        BODY[:40],
        b"--b\r\nContent-Type: image/jpeg\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"X-A: 1\r\n" * 9 + b'Content-Disposition: form-data; name="a"\r\n\r\nx\r\n--b--\r\n',
        b"--b\r\nContent-Disposition: form-data; name=" + b"a" * 5000 + b"\r\n\r\nx\r\n--b--\r\n",
    ],
    ids=["empty", "no boundary", "no end", "cut in a header", "no disposition", "no name", "headers", "long header"],
)
def test_a_malformed_body_is_refused(body: bytes) -> None:
    """What cannot be read, ends early, or has boundless headers is a malformed body."""
    with pytest.raises(InvalidRequest) as caught:
        read([body])
    assert caught.value.code == "malformed_multipart"


def test_the_boundary_is_read_from_the_content_type() -> None:
    """Quoted or not, the boundary is what the content type names; without one the body cannot be read."""
    assert boundary_of('multipart/form-data; charset=utf-8; boundary="a b"') == b"a b"
    with pytest.raises(InvalidRequest):
        boundary_of("multipart/form-data")


def test_a_boundary_beyond_reason_is_refused() -> None:
    """A boundary of a kilobyte is a malformed body and no crash."""
    with pytest.raises(InvalidRequest):
        read([BODY], b"b" * 1000)
