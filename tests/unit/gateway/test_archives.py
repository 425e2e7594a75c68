import asyncio
import gzip
import io
import random
import stat
import tarfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable

import pytest

from gateway.crud.archives import ArchiveEvent, Entry, Tally, is_skipped, kind_of
from gateway.crud.pulling import Pull
from gateway.crud.tar_reading import count, inflate, read_tar
from gateway.crud.zip_reading import read_zip
from tenfold.contract.errors import RequestError

Files = dict[str, bytes]
FILES: Files = {"a.jpg": b"first", "sub/b.png": random.Random(1).randbytes(70_000), "c.bmp": b""}


def zipped(files: Files, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: Files, mode: int = tarfile.PAX_FORMAT, extra: Iterable[tarfile.TarInfo] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=mode) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for info in extra:
            archive.addfile(info)
    return out.getvalue()


async def chunks(data: bytes, size: int = 1000) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def events_of(data: bytes, tally: Tally) -> AsyncIterator[ArchiveEvent]:
    match kind_of(data[:512]):
        case "zip":
            tally.packed = len(data)
            return read_zip(io.BytesIO(data), tally)
        case "gzip":
            return read_tar(Pull(count(inflate(Pull(chunks(data)), tally), tally, packed=False)), tally)
    return read_tar(Pull(count(chunks(data), tally, packed=True)), tally)


def unpacked(data: bytes, images_max: int = 100, bytes_max: int = 10**7) -> Files:
    async def read() -> Files:
        found: Files = {}
        name = ""
        async for event in events_of(data, Tally(images_max, bytes_max)):
            if isinstance(event, Entry):
                name = event.name
                found[name] = b""
            else:
                assert 0 < len(event) <= 256 * 1024
                found[name] += event
        return found

    return asyncio.run(read())


def refusal(data: bytes, images_max: int = 100, bytes_max: int = 10**7) -> str:
    with pytest.raises(RequestError) as caught:
        unpacked(data, images_max, bytes_max)
    return caught.value.code


PACKERS: dict[str, Callable[[Files], bytes]] = {
    "zip": zipped,
    "stored zip": lambda files: zipped(files, zipfile.ZIP_STORED),
    "pax tar": tarred,
    "gnu tar": lambda files: tarred(files, tarfile.GNU_FORMAT),
    "ustar": lambda files: tarred(files, tarfile.USTAR_FORMAT),
    "tar.gz": lambda files: gzip.compress(tarred(files)),
}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_every_kind_gives_its_files_in_order(pack: Callable[[Files], bytes]) -> None:
    """Names and bytes come out as they went in, also those of an empty file."""
    found = unpacked(pack(FILES))
    assert found == FILES
    assert list(found) == list(FILES)


@pytest.mark.parametrize("pack", [PACKERS[name] for name in ("zip", "pax tar", "gnu tar", "tar.gz")])
def test_long_names_in_any_alphabet_stay_whole(pack: Callable[[Files], bytes]) -> None:
    """Names beyond the hundred bytes of a header come out whole."""
    name = "Straße/" + "Ω" * 120 + ".jpg"
    assert unpacked(pack({name: b"data"})) == {name: b"data"}


def test_a_gzip_of_several_members_is_one_stream() -> None:
    """What parallel packers write is read to its end, padding and all."""
    data = tarred(FILES)
    half = len(data) // 2
    assert unpacked(gzip.compress(data[:half]) + gzip.compress(data[half:]) + bytes(700)) == FILES


def test_folders_and_hidden_files_are_passed_over() -> None:
    """What a Mac or a version control adds is no image of the sender's."""
    kept = {"a.jpg": b"a", "./b.jpg": b"b"}
    hidden = {".DS_Store": b"x", "__MACOSX/._a.jpg": b"x", "sub/.git/config": b"x"}
    folder = tarfile.TarInfo("sub/")
    folder.type = tarfile.DIRTYPE
    assert unpacked(tarred(kept | hidden, extra=[folder])) == kept
    assert unpacked(zipped(kept | hidden | {"sub/": b""})) == kept


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "a/../../b.jpg", "C:\\a.jpg", "\\\\host\\a.jpg", "..\\a"])
def test_names_that_lead_out_are_refused(name: str) -> None:
    """No such name is quietly made harmless."""
    with pytest.raises(RequestError) as caught:
        is_skipped(name)
    assert caught.value.code == "unsafe_archive"


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, b"S", b"Z"])
def test_a_tar_with_a_link_or_a_device_is_refused(kind: bytes) -> None:
    """Only plain files and folders are taken."""
    info = tarfile.TarInfo("a.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    assert refusal(tarred({}, extra=[info])) == "unsafe_archive"


def test_a_zip_with_a_link_or_a_secret_or_a_strange_method_is_refused() -> None:
    """So is one that could only be read with a password, or by a reader without a bound."""
    out = io.BytesIO()
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert refusal(out.getvalue()) == "unsafe_archive"
    assert refusal(zipped(FILES, zipfile.ZIP_LZMA)) == "unsafe_archive"
    secret = bytearray(zipped({"a.jpg": b"data"}))
    secret[secret.index(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(secret)) == "unsafe_archive"


@pytest.mark.parametrize("pack", [PACKERS["zip"], PACKERS["tar.gz"]])
def test_what_inflates_too_much_is_refused_on_the_way(pack: Callable[[Files], bytes]) -> None:
    """By its ratio, and by its sum whatever the ratio."""
    assert refusal(pack({"a.bmp": bytes(3_000_000)})) == "archive_too_large"
    assert refusal(pack({f"{i}.bmp": bytes(range(256)) * 40 for i in range(20)}), bytes_max=100_000) == (
        "archive_too_large"
    )
    assert len(unpacked(pack({"drawn.bmp": bytes(900_000)}))) == 1


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_too_many_entries_are_refused(pack: Callable[[Files], bytes]) -> None:
    """Hidden ones and folders count too, with room for a Mac's."""
    assert refusal(pack({f".{i}": b"" for i in range(1100)}), images_max=10) == "archive_too_large"


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_what_is_cut_is_refused(pack: Callable[[Files], bytes]) -> None:
    """An archive that lost its end never passes for a smaller one."""
    data = pack(FILES)
    for end in (len(data) - 1100, len(data) // 2, 600):
        if kind_of(data) != "tar" or end < len(data) - tarfile.RECORDSIZE:
            assert refusal(data[:end]) == "malformed_archive"


def test_a_directory_larger_than_its_files_is_not_read() -> None:
    """A zip's directory is looked at by size before an object is made of each entry."""
    data = bytearray(zipped(FILES))
    at = data.rindex(b"PK\x05\x06")
    data[at + 12 : at + 16] = (2**31).to_bytes(4, "little")
    assert refusal(bytes(data)) == "malformed_archive"
    locator = data[:at] + b"PK\x06\x07" + bytes(16) + data[at:]
    assert refusal(bytes(locator)) == "unsafe_archive"


def test_damage_within_is_refused() -> None:
    """A wrong checksum, of an entry, a header or the stream, is no image's fault."""
    zip_file = bytearray(zipped(FILES, zipfile.ZIP_STORED))
    zip_file[zip_file.index(b"first")] ^= 1
    tar_file = bytearray(tarred(FILES))
    tar_file[150] ^= 1
    stream = bytearray(gzip.compress(tarred(FILES)))
    stream[-6] ^= 1
    for data in (zip_file, tar_file, stream):
        assert refusal(bytes(data)) == "malformed_archive"


def test_an_entry_without_a_name_is_an_image_like_any_other() -> None:
    """A zip may say nothing where a name should stand."""
    data = zipped({"n": b"data"})
    start = data.index(b"PK\x01\x02")
    local = data[:26] + b"\0\0" + data[28:30] + data[31:start]
    central = data[start : start + 28] + b"\0\0" + data[start + 30 : start + 46]
    end = data[data.index(b"PK\x05\x06") :]
    sizes = len(central).to_bytes(4, "little") + len(local).to_bytes(4, "little")
    assert unpacked(local + central + end[:12] + sizes + end[20:]) == {"": b"data"}


def test_a_stream_without_its_checksum_is_refused() -> None:
    """Although every file in it was read by then."""
    assert refusal(gzip.compress(tarred(FILES))[:-5]) == "malformed_archive"
