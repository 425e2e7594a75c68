import pytest

from gateway.crud.prefer import Preference, read_prefer


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Preference(30.0, "")),
        (["respond-async"], Preference(0.0, "respond-async")),
        (["wait=5"], Preference(5.0, "wait=5")),
        (["wait=0"], Preference(0.0, "wait=0")),
        (['wait="7"'], Preference(7.0, "wait=7")),
        (["Respond-Async, Wait=10"], Preference(10.0, "respond-async, wait=10")),
        (["respond-async", "wait=10"], Preference(10.0, "respond-async, wait=10")),
        (["wait=99999"], Preference(600.0, "wait=600")),
        (["wait=" + "9" * 400], Preference(600.0, "wait=600")),
        (["wait=soon"], Preference(30.0, "")),
        (["wait=-1"], Preference(30.0, "")),
        (["return=minimal; foo=bar"], Preference(30.0, "")),
        (["wait=3, wait=9"], Preference(3.0, "wait=3")),
    ],
)
def test_preferences_are_read_as_the_rfc_says(headers: list[str], expected: Preference) -> None:
    """Known preferences count, the first of each; what is unknown or unreadable is ignored."""
    assert read_prefer(headers, 30.0) == expected
