"""What is mutated: real encodings of every format, and archives and forms that hold them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Iterator
from random import Random
from typing import Any

from PIL import Image


def images() -> list[bytes]:
    """Small pictures in the variants of each format that users send."""
    return list(_images())


def _images() -> Iterator[bytes]:
    picture = Image.frombytes("RGB", (48, 32), Random(1).randbytes(48 * 32 * 3))
    turned = Image.Exif()
    turned[0x0112] = 6
    for options in (
        {},
        {"progressive": True},
        {"subsampling": 0, "exif": turned.tobytes()},
        {"restart_marker_rows": 1},
    ):
        yield _encoded(picture, "JPEG", **options)
    yield _encoded(picture.convert("L"), "JPEG")
    yield _encoded(picture.convert("CMYK"), "JPEG")
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield _encoded(picture.convert("L").convert(mode) if mode == "I;16" else picture.convert(mode), "PNG")
    yield _encoded(picture.quantize(8), "PNG", transparency=0)
    webp: list[dict[str, Any]] = [{}, {"lossless": True}, {"exif": turned.tobytes()}]
    for options in webp:
        yield _encoded(picture, "WEBP", **options)
    yield _encoded(picture.convert("RGBA"), "WEBP")
    yield _encoded(picture, "WEBP", save_all=True, append_images=[picture.rotate(90, expand=False)])
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        yield _encoded(picture.convert(mode), "BMP")


def _encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def archives() -> list[bytes]:
    """Every kind of archive, with folders, long names and hidden files."""
    files = {f"sub/{'n' * 110}-{i}.img": data for i, data in enumerate(images()[::4])} | {".hidden": b"x", "notes": b""}
    return [
        _zipped(files, zipfile.ZIP_DEFLATED),
        _zipped(files, zipfile.ZIP_STORED),
        _tarred(files, tarfile.PAX_FORMAT),
        _tarred(files, tarfile.GNU_FORMAT),
        gzip.compress(_tarred(files, tarfile.GNU_FORMAT)),
    ]


def _zipped(files: dict[str, bytes], method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.mkdir("sub")
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _tarred(files: dict[str, bytes], kind: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=kind) as archive:
        folder = tarfile.TarInfo("sub")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


BOUNDARY = "fuzzed-boundary"


def forms() -> list[bytes]:
    """Multipart bodies: one file, several with fields, an archive, an empty file input."""
    some = images()
    fields = [(b'name="conf"', b"0.5"), (b'name="priority"', b"low"), (b'name="model"', b"toy")]
    return [
        _form([(b'name="files"; filename="a.jpg"', some[0])]),
        _form([*fields, *((b'name="files"; filename="%d"' % i, data) for i, data in enumerate(some[::5]))]),
        _form([(b"name=\"files\"; filename*=UTF-8''%C3%BC.png", some[9]), *fields]),
        _form([(b'name="files"; filename="x.zip"', archives()[0])]),
        _form([(b'name="files"; filename=""', b""), *fields]),
    ]


def _form(parts: list[tuple[bytes, bytes]]) -> bytes:
    boundary = BOUNDARY.encode()
    head = b"--" + boundary + b"\r\nContent-Disposition: form-data; "
    return b"".join(head + how + b"\r\n\r\n" + data + b"\r\n" for how, data in parts) + b"--" + boundary + b"--\r\n"
