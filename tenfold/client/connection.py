"""What both clients are told about the service they talk to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from tenfold.client.retries import Retries

DEFAULT_URL: Final = "http://127.0.0.1:8000"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(slots=True)
class Connection:
    """Where the service is, and how patient its client.

    Attributes:
        read_timeout_s: how long an answer may take, where it waits for nothing.
        retries: what is sent again, and how often.
        on_retry: called with why and for how many seconds, before each wait for another attempt.
    """

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 120.0
    retries: Retries = field(default_factory=Retries)
    on_retry: Callable[[str, float], None] | None = None
    _reached: bool = field(init=False, repr=False, default=False)

    def __post_init__(self) -> None:
        self.url = _with_scheme(self.url.strip())

    def _http_arguments(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        # A proxy that the environment names is for the world outside, not for this machine.
        trust_env = _host_of(self.url) not in _LOOPBACK
        return {"base_url": self.url, "headers": headers, "trust_env": trust_env}

    def _tell_of_retry(self, why: str, wait_s: float) -> None:
        if self.on_retry is not None:
            self.on_retry(why, wait_s)

    def _why(self, failed: Exception | httpx.Response) -> str:
        if isinstance(failed, httpx.Response):
            return f"{self.url} answered {failed.status_code}"
        return f"{self.url}: {str(failed) or type(failed).__name__}"


def _with_scheme(url: str) -> str:
    # `localhost:8000`, as people type it.
    return url if "://" in url else f"http://{url}"


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
