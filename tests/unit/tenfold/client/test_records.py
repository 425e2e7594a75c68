from typing import Any

import msgspec

from tenfold.client import Job
from tests.unit.tenfold.canned_service import broken, found, job


def read(total: int = 1, done: int = 1, *, results: list[Any]) -> Job:
    return msgspec.convert(job(total=total, done=done, results=results), Job)


def test_a_job_at_a_prompt_is_one_line() -> None:
    """However many results it has, their number stands there and not they."""
    line = repr(read(total=200, done=200, results=[found(index) for index in range(200)]))
    assert "results=<200>" in line
    assert len(line) < 400
    assert "detections=<1>" in repr(read(results=[found()]).results)


def test_in_a_notebook_a_job_is_a_table_of_its_pictures() -> None:
    """What was found in each, or its error, up to twenty of them."""
    told = read(total=30, done=29, results=[found(0), broken(1), *(found(index) for index in range(2, 30))])
    html = told._repr_html_()
    assert "29 of 30 images" in html
    assert "1 circle" in html
    assert html.count("<tr>") == 21
    assert "and 10 more" in html


def test_names_are_text_in_a_notebook() -> None:
    """A file may be called like markup."""
    result = msgspec.json.decode(
        b'{"index": 0, "name": "<img src=x>", "detections": [{"box": [1, 2, 3, 4], "score": 0.5, "class_id": 0, '
        b'"label": "<b>"}]}',
        type=type(read(results=[found()]).results[0]),  # type: ignore[index]
    )
    html = result._repr_html_()
    assert "&lt;img src=x&gt;" in html
    assert "&lt;b&gt;" in html
    assert "<b>&" in html  # the title's own
