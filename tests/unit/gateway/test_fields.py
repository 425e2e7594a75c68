import pytest

from gateway.crud.fields import Fields, InvalidField, Wishes
from tenfold.contract.records import DetectOptions, Priority


def test_nothing_given_leaves_everything_to_the_service() -> None:
    """Without fields, the options are the documented defaults."""
    assert Fields().wishes() == Wishes(None, None, DetectOptions(0.25, 0.7, 300), Priority.NORMAL, None)


def test_every_field_is_read_in_its_own_kind() -> None:
    """Text becomes what each field means."""
    fields = Fields()
    given = {
        "model": "demo", "conf": "0.5", "iou": "1", "max_detections": "7", "imgsz": "640", "priority": "low",
        "deadline_ms": "1500",
    }  # fmt: skip
    for name, text in given.items():
        fields.add(name, text)
    assert fields.wishes() == Wishes("demo", 640, DetectOptions(0.5, 1.0, 7), Priority.LOW, 1500)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("conf", "2"), ("conf", "-0.1"), ("conf", "nan"), ("conf", "high"), ("conf", ""), ("iou", "inf"),
        ("max_detections", "0"), ("max_detections", "1001"), ("max_detections", "1.5"), ("imgsz", "-1"),
        ("imgsz", "１"), ("priority", "urgent"), ("deadline_ms", "0"), ("deadline_ms", "9" * 400), ("model", ""),
    ],
)  # fmt: skip
def test_a_value_outside_its_range_is_refused_with_the_range(name: str, text: str) -> None:
    """The error names the field and what is allowed."""
    with pytest.raises(InvalidField, match="allowed: ") as caught:
        Fields().add(name, text)
    assert caught.value.field == name
    assert caught.value.code == "invalid_field"


def test_an_unknown_field_is_refused_with_the_names_there_are() -> None:
    """A typing error is no silent default."""
    with pytest.raises(InvalidField, match=r"conf, iou, .*'files'") as caught:
        Fields().add("confidence", "0.5")
    assert caught.value.code == "unknown_field"


def test_the_same_field_twice_must_agree() -> None:
    """Query and form may say the same; what they say differently is refused."""
    fields = Fields()
    fields.add("conf", "0.5")
    fields.add("conf", "0.50")
    with pytest.raises(InvalidField, match="given twice"):
        fields.add("conf", "0.6")
