import asyncio
import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Callable, Sequence

from gateway.crud.formats import CSV_COLUMNS, write_coco, write_csv, write_ndjson, write_yolo
from gateway.crud.results import ImageBody
from tenfold.contract.records import Detection, ItemError

LABELS = ["circle", "square"]
FOUND = Detection((10.0, 20.0, 30.0, 60.0), 0.5, 1, "square")
IMAGES = [
    ImageBody(0, "../x/a.jpg", 100, 200, None, 1, [FOUND], None, None),
    ImageBody(1, "a.png", 50, 50, None, 1, [], None, None),
    ImageBody(2, "=b.jpg", None, None, ItemError("truncated_image", "too short"), 1, None, None, None),
]


def written(
    writer: Callable[[AsyncIterator[ImageBody]], AsyncIterator[bytes]], given: Sequence[ImageBody] = IMAGES
) -> bytes:
    async def images() -> AsyncIterator[ImageBody]:
        for image in given:
            yield image

    async def run() -> bytes:
        return b"".join([piece async for piece in writer(images())])

    return asyncio.run(run())


def test_ndjson_is_one_image_a_line() -> None:
    """Each line is an image's result."""
    assert [json.loads(line)["index"] for line in written(write_ndjson).splitlines()] == [0, 1, 2]


def test_coco_has_boxes_by_corner_and_size() -> None:
    """Annotations point at images and categories; an image that failed is not in it."""
    coco = json.loads(written(lambda images: write_coco(images, LABELS)))
    assert [image["file_name"] for image in coco["images"]] == ["../x/a.jpg", "a.png"]
    assert coco["categories"] == [{"id": 0, "name": "circle"}, {"id": 1, "name": "square"}]
    (annotation,) = coco["annotations"]
    assert annotation["bbox"] == [10.0, 20.0, 20.0, 40.0]
    assert (annotation["image_id"], annotation["category_id"], annotation["score"]) == (0, 1, 0.5)


def test_yolo_has_a_file_an_image_and_no_paths() -> None:
    """Boxes are relative, by middle and size; names are told apart and lead nowhere; no detection is an empty file."""
    with zipfile.ZipFile(io.BytesIO(written(lambda images: write_yolo(images, LABELS)))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["labels/a.txt", "labels/a-1.txt", "classes.txt"]
        assert archive.read("labels/a.txt") == b"1 0.2 0.2 0.2 0.2 0.5\n"
        assert archive.read("labels/a-1.txt") == b""
        assert archive.read("classes.txt") == b"circle\nsquare\n"


def test_no_yolo_file_takes_the_place_of_another() -> None:
    """Whatever images are called, also like a name that was made for another one, each has a file of its own."""
    names = ["a-2.jpg", "a.jpg", "a.png", "A.jpg", "", "image-4"]
    images = [ImageBody(index, name, 9, 9, None, 1, [], None, None) for index, name in enumerate(names)]
    with zipfile.ZipFile(io.BytesIO(written(lambda each: write_yolo(each, LABELS), images))) as archive:
        *files, _ = archive.namelist()
    assert len({name.casefold() for name in files}) == len(names)


def test_csv_has_a_row_for_every_image_and_no_formulas() -> None:
    """An image without a box has an empty row, one that failed its error; a name is no formula."""
    header, *rows = csv.reader(io.StringIO(written(write_csv).decode()))
    assert tuple(header) == CSV_COLUMNS
    assert [row[1] for row in rows] == ["../x/a.jpg", "a.png", "'=b.jpg"]
    assert rows[0][5:] == ["10.0", "20.0", "30.0", "60.0", "0.5", "1", "square"]
    assert rows[1][5:] == [""] * 7
    assert rows[2][4] == "truncated_image"
