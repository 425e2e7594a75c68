"""What the service wrote of several jobs, made one: as it would have written it of one job with all their pictures."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Written:
    """What was written of one job, and the index that its first picture has among all."""

    first: int
    data: bytes


def join_csv(tables: Sequence[Written]) -> bytes:
    """One table under one header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for number, table in enumerate(tables):
        rows = csv.reader(io.StringIO(table.data.decode(), newline=""))
        header = next(rows)
        if number == 0:
            writer.writerow(header)
        writer.writerows([int(index) + table.first, *rest] for index, *rest in rows)
    return out.getvalue().encode()


def join_coco(documents: Sequence[Written]) -> bytes:
    """One document: images by their index among all, annotations counted through, each category once."""
    annotations: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    categories: dict[int, dict[str, Any]] = {}
    for document in documents:
        read = msgspec.json.decode(document.data)
        counted = len(annotations)
        annotations += [
            {**one, "id": one["id"] + counted, "image_id": one["image_id"] + document.first}
            for one in read["annotations"]
        ]
        images += [{**one, "id": one["id"] + document.first} for one in read["images"]]
        categories |= {one["id"]: one for one in read["categories"]}
    ordered = [categories[class_id] for class_id in sorted(categories)]
    return msgspec.json.encode({"annotations": annotations, "images": images, "categories": ordered})
