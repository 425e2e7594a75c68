"""A job's trace in words: the answer to "why did it wait?" for somebody who has not read about the scheduler."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Entry = Mapping[str, Any]


def tell(entry: Entry) -> str:
    """One entry as a sentence; of a kind that is not known here, its own words."""
    words = _WORDS.get(str(entry.get("kind")))
    return words(entry, entry.get("detail") or {}) if words else _plain(entry)


def _entered(entry: Entry, detail: Entry) -> str:
    images, level = detail.get("images"), entry.get("level")
    why = "" if level == 0 else ": a large or low-priority job does not start among the most urgent"
    more = ", open for more" if detail.get("open") else ""
    return f"entered at level {level} with {_images(images)}{more}{why}"


def _extended(entry: Entry, detail: Entry) -> str:
    return f"extended by {_images(detail.get('images'))} to {detail.get('total')}, at level {entry.get('level')}"


def _closed(_entry: Entry, detail: Entry) -> str:
    why = f": {detail['why']}" if detail.get("why") else ""
    return f"closed with {_images(detail.get('images'))}{why}"


def _batched(entry: Entry, detail: Entry) -> str:
    items, size, jobs = detail.get("items"), detail.get("size"), int(detail.get("jobs") or 1)
    company = "" if jobs <= 1 else f", shared with {jobs - 1} other {'job' if jobs == 2 else 'jobs'}"
    held = ", while its client is ahead of others" if detail.get("held") else ""
    why = f" ({detail['why']})" if detail.get("why") else ""
    of = f" in a batch of {size}" if size != items else " as a batch"
    return f"{_images(items)} went to the workers at level {entry.get('level')}{of}{company}{held}{why}"


def _sank(entry: Entry, detail: Entry) -> str:
    return f"sank to level {entry.get('level')}: it had its {_images(detail.get('served'))} of the level above"


def _aged(_entry: Entry, detail: Entry) -> str:
    return f"rose to level 0 for one turn: nothing of it had started for {_seconds(detail.get('waited_ms'))}"


def _homed(entry: Entry, _detail: Entry) -> str:
    return f"went back to level {entry.get('level')} after its turn at the top"


def _moved(entry: Entry, detail: Entry) -> str:
    return f"a batch of it that waited was moved from level {detail.get('from_level')} to {entry.get('level')}"


def _handed_back(_entry: Entry, detail: Entry) -> str:
    why = {"preempted": "made way for something more urgent", "stopped": "came back from a worker that stopped"}
    told = str(detail.get("why"))
    return f"{_images(detail.get('items'))} {why.get(told, f'came back ({told})')} and wait again, at the head"


def _retried(_entry: Entry, detail: Entry) -> str:
    return f"{_images(detail.get('items'))} wait again: {detail.get('why')}"


def _held_down(entry: Entry, _detail: Entry) -> str:
    return f"held at level {entry.get('level')} until others have caught up: its client had more service than they"


_WORDS: Final[dict[str, Callable[[Entry, Entry], str]]] = {
    "entered": _entered,
    "extended": _extended,
    "closed": _closed,
    "batched": _batched,
    "sank": _sank,
    "aged": _aged,
    "homed": _homed,
    "moved": _moved,
    "handed_back": _handed_back,
    "retried": _retried,
    "held_down": _held_down,
}


def _plain(entry: Entry) -> str:
    details = ", ".join(f"{name} {value}" for name, value in (entry.get("detail") or {}).items())
    return f"{str(entry.get('kind')).replace('_', ' ')}{f': {details}' if details else ''}"


def _images(count: object) -> str:
    return f"{count} {'image' if count == 1 else 'images'}"


def _seconds(milliseconds: object) -> str:
    return f"{milliseconds / 1000:.1f} s" if isinstance(milliseconds, int | float) else "long"
