"""One tree of errors.

::

    TenfoldError
    ├── IllegalTransition        a move that no state table has: a bug, never a user's fault
    ├── BadMessage               bytes that are no record of ours, or of a version we do not know
    ├── SettingsError            a setting outside what is allowed
    ├── StoreUnavailable         Redis cannot be reached or cannot be used as it is set up
    ├── LeadershipLost           another scheduler leads: this one must stand by
    └── RequestError             what a client asked for cannot be had; each names a code for the wire
        ├── InvalidRequest       a field outside its range, a job without a file        422
        ├── InvalidImage         not decodable, too many pixels, truncated              400 / 422
        ├── UnsupportedMedia     neither a format nor a content type that we take       415
        ├── TooLarge             a file, a body or a job beyond its limit               413
        ├── Unauthorized         no key, or one we do not know                          401
        ├── Forbidden            a key that may not do this                             403
        ├── NotFound             no such job, image, value or run (or another key's)    404
        ├── Gone                 it was there and its lifetime is over                  410
        ├── Conflict             the same idempotency key is in use                     409
        ├── ClientQueueFull      the client's own bound is reached                      429
        └── Unavailable          everyone's bound, no worker, a deadline out of reach   503

``gateway.problems`` holds the one table that maps them to HTTP.
"""

from __future__ import annotations


class TenfoldError(Exception):
    """The root of the tree."""


class IllegalTransition(TenfoldError):
    """A state machine was asked for a move it does not have."""


class BadMessage(TenfoldError):
    """Bytes from Redis that do not decode to the record expected."""


class SettingsError(TenfoldError):
    """A setting has a value that is not allowed; the message names setting, value and what is allowed."""


class StoreUnavailable(TenfoldError):
    """Redis does not answer, or is configured so that accepted work could be lost."""


class LeadershipLost(TenfoldError):
    """The scheduler's fencing token is no longer the newest."""


class RequestError(TenfoldError):
    """A request that is refused. ``code`` is the stable word on the wire, the message is for people.

    Attributes:
        retry_after_s: when it is worth to come back, or None.
        in_the_way: how many queued images must be done before there is room for it, where that is known.
    """

    code = "request_error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        retry_after_s: float | None = None,
        in_the_way: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or type(self).code
        self.retry_after_s = retry_after_s
        self.in_the_way = in_the_way


class InvalidRequest(RequestError):
    code = "invalid_request"


class InvalidImage(RequestError):
    code = "invalid_image"


class UnsupportedMedia(RequestError):
    code = "unsupported_media_type"


class TooLarge(RequestError):
    code = "too_large"


class Unauthorized(RequestError):
    code = "unauthorized"


class Forbidden(RequestError):
    code = "forbidden"


class NotFound(RequestError):
    code = "not_found"


class Gone(RequestError):
    code = "gone"


class Conflict(RequestError):
    code = "conflict"


class ClientQueueFull(RequestError):
    code = "client_queue_full"


class Unavailable(RequestError):
    code = "unavailable"
