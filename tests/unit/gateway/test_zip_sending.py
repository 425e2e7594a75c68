import asyncio
import io
import os
import threading
import zipfile
from typing import Any

import pytest

from gateway.crud.gallery import _line
from gateway.crud.zip_sending import PIECE_BYTES, Outbox, add_entry, safe_stem


def test_a_zip_taken_in_pieces_is_whole_and_has_its_sizes_in_front() -> None:
    """What was taken after each entry is one zip; no entry has a descriptor behind it, which some readers refuse."""
    outbox, pieces = Outbox(), []
    contents = {"a.png": os.urandom(3 * PIECE_BYTES + 7), "b.png": b"", "c.png": b"x"}
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_STORED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
            pieces += list(outbox.pieces())
            assert list(outbox.pieces()) == []
    pieces += list(outbox.pieces())
    assert max(map(len, pieces)) == PIECE_BYTES
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as read:
        assert read.testzip() is None
        assert {one.filename: read.read(one) for one in read.infolist()} == contents
        assert [one.flag_bits & 0x08 for one in read.infolist()] == [0, 0, 0]


def test_what_was_taken_cannot_be_gone_back_to() -> None:
    """A place that is no longer here, or not yet, is refused."""
    outbox = Outbox()
    outbox.write(b"abc")
    assert b"".join(outbox.pieces()) == b"abc"
    for place in (2, 4):
        with pytest.raises(ValueError, match="not in what is still here"):
            outbox.seek(place)
    assert (outbox.seek(3), outbox.tell()) == (3, 3)


class SlowOutbox(Outbox):
    """Tells when it is written to, and lets nothing through before it may."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.may = threading.Event(), threading.Event()

    def write(self, data: Any) -> int:
        self.entered.set()
        assert self.may.wait(10)
        return super().write(data)


def test_a_zip_whose_reader_leaves_while_an_entry_is_written_closes() -> None:
    """Cancelled in the middle of an entry, the writer waits for its end and is cancelled then."""

    async def leave() -> None:
        outbox = SlowOutbox()
        with zipfile.ZipFile(outbox, "w") as archive:
            writing = asyncio.create_task(add_entry(archive, "a.png", b"abc"))
            await asyncio.to_thread(outbox.entered.wait, 10)
            writing.cancel()
            asyncio.get_running_loop().call_later(0.05, outbox.may.set)
            with pytest.raises(asyncio.CancelledError):
                await writing
        with zipfile.ZipFile(io.BytesIO(b"".join(outbox.pieces()))) as read:
            assert read.read("a.png") == b"abc"

    asyncio.run(leave())


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\x\\holiday.jpg", "holiday"),
        ("süß 1.jpeg", "süß 1"),
        ("a\nb<c>.png", "a_b_c_"),
        ("..", ""),
        ("", ""),
        ("x" * 300 + ".jpg", "x" * 100),
    ],
)
def test_a_name_becomes_a_files_name_that_leads_nowhere(name: str, stem: str) -> None:
    """No folder, no suffix, nothing that a file system or a terminal minds, and not too long."""
    assert safe_stem(name) == stem


def test_a_missing_image_is_one_line_whatever_its_name() -> None:
    """Tabs and ends of lines in a name or a reason do not make more columns or lines."""
    assert _line(7, "a\tb\nc.jpg", "too\r\nshort") == "7\ta b c.jpg\ttoo short\n"
