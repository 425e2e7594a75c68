"""Who asks: by API key where keys are on, else by address.

A key is written ``id:secret``, with what it may do behind it where that is not the default:
``team:s3cr3t:priority=high:scopes=submit+read:images/min=600``. A bare ``secret`` has an id made from its hash. Only
hashes are held, and each is compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tenfold.contract.errors import Forbidden, SettingsError, Unauthorized

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LOCAL: Final = "local"
"""The client of a connection without an address: a Unix socket."""

_SYNTAX: Final = (
    "secret or id:secret, the id of letters, digits, - and _; behind them :priority=high, :scopes= with submit, read "
    "and admin between + signs, :images/min= with a whole number above 0"
)


class Scope(StrEnum):
    """What a key may do: send work, look at it, or undo what belongs to everybody or to others."""

    SUBMIT = "submit"
    READ = "read"
    ADMIN = "admin"


EVERYTHING: Final = frozenset(Scope)
USUAL: Final = frozenset({Scope.SUBMIT, Scope.READ})
"""What a key may do that says nothing of scopes."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who is charged for service.

    Attributes:
        id: the key's id, or the address (IPv6: its /64).
        keyed: it showed a key; then it sees its own jobs only, unless it is an admin's.
        high: it may ask for ``priority=high``.
        scopes: what it may do; a stranger, nothing.
        images_per_min: images that it may send within any minute; None: as many as there is room for.
    """

    id: str
    keyed: bool = False
    high: bool = True
    scopes: frozenset[Scope] = EVERYTHING
    images_per_min: int | None = None

    @property
    def sees_all(self) -> bool:
        """Whether everybody's jobs are its to see: without keys, and for an admin."""
        return not self.keyed or Scope.ADMIN in self.scopes

    @property
    def is_stranger(self) -> bool:
        """Whether it showed no key where keys are on."""
        return not self.scopes

    def owns(self, client_id: str) -> bool:
        """Whether jobs of ``client_id`` are this one's to see."""
        return self.sees_all or client_id == self.id

    def require(self, scope: Scope) -> None:
        """Raise Forbidden (``scope_missing``) unless it may do this."""
        if scope not in self.scopes:
            raise Forbidden(f"this key lacks the scope {scope.value!r}", code="scope_missing")


STRANGER: Final = Client("", keyed=True, high=False, scopes=frozenset())
"""Who shows no key where keys are on. No job is its: keys' ids are not empty."""


@dataclass(frozen=True, slots=True)
class _Key:
    digest: bytes
    client: Client


@dataclass(frozen=True, slots=True)
class Keyring:
    """The keys that are answered, and the proxies whose word on addresses counts."""

    keys: tuple[_Key, ...]
    proxies: tuple[Network, ...]

    @classmethod
    def of(cls, specs: Sequence[str], proxies: Sequence[str]) -> Keyring:
        """From the settings ``api_keys`` and ``trusted_proxies``.

        Raises:
            SettingsError: a key cannot be read, or two have one id or one secret. The message shows no secret.
        """
        keys = tuple(_read_key(spec, place) for place, spec in enumerate(specs, 1))
        ids = [key.client.id for key in keys]
        for doubled in {one for one in ids if ids.count(one) > 1}:
            raise SettingsError(f"TENFOLD_API_KEYS has two keys with the id {doubled!r}; each needs its own")
        if len({key.digest for key in keys}) < len(keys):
            raise SettingsError("TENFOLD_API_KEYS has one secret under two ids; each id needs a secret of its own")
        return cls(keys, tuple(ipaddress.ip_network(proxy, strict=False) for proxy in proxies))

    def identify(self, headers: Mapping[str, str], peer: str | None) -> Client:
        """The client that sends these headers (names in lower case) from the address ``peer``.

        Raises:
            Unauthorized: keys are on and it shows none that is known.
        """
        if not self.keys:
            return Client(client_address(peer, headers.get("x-forwarded-for", ""), self.proxies))
        secret = _shown_secret(headers)
        if not secret:
            raise Unauthorized("an API key is needed, as Authorization: Bearer … or X-API-Key")
        digest = _digest(secret)
        # Every key is compared, so that the time taken says nothing.
        known = [key.client for key in self.keys if hmac.compare_digest(key.digest, digest)]
        if not known:
            raise Unauthorized("this API key is not known")
        return known[0]

    def look(self, headers: Mapping[str, str], peer: str | None) -> Client:
        """As :meth:`identify`, but who shows no key at all is let in as a stranger. A wrong one is still refused."""
        return STRANGER if self.keys and not _shown_secret(headers) else self.identify(headers, peer)


def client_address(peer: str | None, forwarded_for: str, proxies: Sequence[Network]) -> str:
    """The address to charge: the peer's, or the last in ``X-Forwarded-For`` that no trusted proxy has."""
    address = _address(peer)
    if address is None:
        return LOCAL
    for hop in reversed(forwarded_for.split(",")):
        further = _address(hop.strip())
        if further is None or not any(address in network for network in proxies):
            break
        address = further
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


def _address(text: str | None) -> Address | None:
    try:
        address = ipaddress.ip_address(text or "")
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


def _shown_secret(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _read_key(spec: str, place: int) -> _Key:
    head, *rest = spec.split(":")
    if not rest:
        name = f"key-{_digest(head).hex()[:8]}"
        return _Key(_digest(head), Client(name, keyed=True, high=False, scopes=USUAL))
    secret, *limits = rest
    try:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", head) or not secret:
            raise ValueError
        granted = _Grants.of(limits)
    except ValueError:
        raise SettingsError(f"TENFOLD_API_KEYS: key {place} cannot be read; allowed: {_SYNTAX}") from None
    return _Key(_digest(secret), Client(head, True, granted.high, granted.scopes, granted.images_per_min))


@dataclass(slots=True)
class _Grants:
    """What stands behind a key's secret."""

    high: bool = False
    scopes: frozenset[Scope] = USUAL
    images_per_min: int | None = None

    @classmethod
    def of(cls, limits: Sequence[str]) -> _Grants:
        """Read ``name=value`` texts, each name once at most. Raises ValueError."""
        given = dict(limit.partition("=")[::2] for limit in limits)
        if len(given) < len(limits):
            raise ValueError
        grants = cls()
        for name, value in given.items():
            grants._read(name, value)
        return grants

    def _read(self, name: str, value: str) -> None:
        if name == "priority" and value == "high":
            self.high = True
        elif name == "scopes":
            self.scopes = frozenset(map(Scope, value.split("+")))
        elif name == "images/min" and re.fullmatch(r"[1-9][0-9]{0,8}", value):
            self.images_per_min = int(value)
        else:
            raise ValueError
