"""What the gateway decides about values without a Redis: moments, keys, cursors."""

from __future__ import annotations

import math
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crud.fields import InvalidField
from gateway.crud.values import GenerateRequest, check_key, draw_moments, read_cursor, write_cursor

SEED = 20261123


def test_moments_are_uniform_over_the_window() -> None:
    """The moments of 200 seeded runs, pooled, pass a Kolmogorov-Smirnov test against U(0, 0.95 of the window)."""
    random = Random(SEED)
    pooled = sorted(moment for _ in range(200) for moment in draw_moments(50, 10.0, random))
    count = len(pooled)
    farthest = max(
        max((place + 1) / count - moment / 9500, moment / 9500 - place / count) for place, moment in enumerate(pooled)
    )
    # The 5 % point of Kolmogorov's distribution for large samples.
    assert farthest * math.sqrt(count) < 1.358, f"seed {SEED}"


@given(st.integers(1, 500), st.floats(0.1, 3600), st.integers())
def test_moments_are_sorted_and_leave_time_for_the_last(count: int, within_s: float, seed: int) -> None:
    """Every moment lies in the window's first 95 %, in order, and there are as many as were asked for."""
    moments = draw_moments(count, within_s, Random(seed))
    assert len(moments) == count
    assert moments == sorted(moments)
    assert moments[0] >= 0
    assert moments[-1] <= 0.95 * within_s * 1000


def test_defaults_are_fifty_values_in_ten_seconds() -> None:
    """A request that says nothing means what the original task asked for."""
    wanted = GenerateRequest()
    assert (wanted.count, wanted.within_s) == (50, 10.0)


@pytest.mark.parametrize("key", ["", "generate", "random", "runs", "total", "total\n", "a/b", "/", "é" * 513])
def test_what_can_be_no_key_is_told(key: str) -> None:
    """The routes' own words, slashes, nothing and too much are no keys, and the error names the field."""
    with pytest.raises(InvalidField) as refused:
        check_key(key)
    assert (refused.value.field, refused.value.code) == ("key", "invalid_key")


@pytest.mark.parametrize("key", ["a:b", "é ü 字", " ", "Total", "totals", ".", "é" * 512, "\x00"])
def test_any_other_text_is_a_key(key: str) -> None:
    """Colons, spaces, any script and any case are fine."""
    check_key(key)


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_cursor_leads_back_to_its_key(key: str) -> None:
    """A cursor is the key it was made from, whatever text that is."""
    assert read_cursor(write_cursor(key)) == key


@pytest.mark.parametrize("cursor", ["%", "a", "/w==", "_w=="])
def test_cursor_of_somebody_else_is_refused(cursor: str) -> None:
    """What is no cursor of ours is an error that names the field."""
    with pytest.raises(InvalidField) as refused:
        read_cursor(cursor)
    assert refused.value.field == "cursor"


def test_a_request_may_not_name_what_it_does_not_have() -> None:
    """A misspelt field is refused rather than ignored."""
    with pytest.raises(msgspec.ValidationError, match="cnt"):
        msgspec.json.decode(b'{"cnt": 5}', type=GenerateRequest)
