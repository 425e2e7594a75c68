"""Results of more pictures than one job takes leave `tenfold detect` as one file."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tenfold.cli.formats import Part, write
from tenfold.client import Tenfold
from tests.unit.tenfold.canned_service import CannedService, Reply, canned_service

HEADER = "index,name,width,height,error,x1,y1,x2,y2,score,class_id,label\r\n"
JOBS = [Part("j1", [], 0), Part("j2", [], 10_000)]


@pytest.fixture
def service() -> Iterator[CannedService]:
    with canned_service() as running:
        yield running


def say(service: CannedService, *of_each_job: bytes) -> None:
    for number, data in enumerate(of_each_job, 1):
        service.reply("GET", f"/v1/jobs/j{number}/results", Reply(data))


def test_a_table_has_one_header(service: CannedService, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """Rows go on under it with indexes that go on, whatever is in a name."""
    odd = '"odd, ""quoted""\nname.jpg"'
    first = HEADER + "0,a.jpg,8,6,,1,2,3,4,0.1234567890123,0,circle\r\n0,a.jpg,8,6,,1,2,3,4,0.5,1,square\r\n"
    second = HEADER + f"0,{odd},8,6,,,,,,,,\r\n1,'=b.jpg,,,invalid_image,,,,,,,\r\n"
    say(service, first.encode(), second.encode())
    with Tenfold(service.url) as client:
        write(client, JOBS, "csv", None)
    told = capsysbinary.readouterr().out.decode()
    assert told == first + f"10000,{odd},8,6,,,,,,,,\r\n10001,'=b.jpg,,,invalid_image,,,,,,,\r\n"
    assert {len(row) for row in csv.reader(io.StringIO(told, newline=""))} == {12}


def coco(name: str, class_id: int, label: str) -> dict[str, list[dict[str, object]]]:
    return {
        "annotations": [{"id": 1, "image_id": 0, "category_id": class_id, "bbox": [1.5, 2.0, 3.0, 4.0], "score": 0.5}],
        "images": [{"id": 0, "file_name": name, "width": 8, "height": 6}],
        "categories": [{"id": 0, "name": "circle"}, {"id": class_id, "name": label}],
    }


def test_coco_is_one_document(service: CannedService, tmp_path: Path) -> None:
    """No id stands for two images or two annotations, and a class is there once."""
    say(service, json.dumps(coco("a.jpg", 2, "star")).encode(), json.dumps(coco("b.jpg", 1, "square")).encode())
    with Tenfold(service.url) as client:
        write(client, JOBS, "coco", tmp_path / "out")
    told = json.loads((tmp_path / "out" / "results.coco.json").read_text())
    assert [(one["id"], one["file_name"]) for one in told["images"]] == [(0, "a.jpg"), (10_000, "b.jpg")]
    assert [(one["id"], one["image_id"], one["category_id"]) for one in told["annotations"]] == [
        (1, 0, 2),
        (2, 10_000, 1),
    ]
    assert [(one["id"], one["name"]) for one in told["categories"]] == [(0, "circle"), (1, "square"), (2, "star")]


def test_yolo_is_a_zip_a_job(service: CannedService, tmp_path: Path) -> None:
    """Two jobs may have pictures of the same name, and then their labels too."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("labels/a.txt", "")
    say(service, data.getvalue(), data.getvalue())
    with Tenfold(service.url) as client:
        write(client, JOBS, "yolo", tmp_path)
        write(client, JOBS[:1], "yolo", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "results-1.yolo.zip",
        "results-2.yolo.zip",
        "results.yolo.zip",
    ]
