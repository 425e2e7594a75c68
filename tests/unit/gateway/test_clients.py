import ipaddress

import pytest

from gateway.crud.clients import USUAL, Client, Keyring, Scope, client_address
from tenfold.contract.errors import Forbidden, SettingsError, Unauthorized

BAD_GRANTS = [
    [f"a:hush:{grant}"]
    for grant in (
        "scopes=",
        "scopes=read+all",
        "images/min=0",
        "images/min=x",
        "priority=low",
        "scopes=read:scopes=read",
    )
]
PROXIES = [ipaddress.ip_network("10.0.0.0/8")]


def test_without_keys_a_client_is_its_address() -> None:
    """Nobody is asked for a key, and everybody sees every job."""
    client = Keyring.of([], []).identify({}, "192.0.2.7")
    assert client == Client("192.0.2.7")
    assert client.owns("somebody else")


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("192.0.2.7", "198.51.100.1", "192.0.2.7"),
        ("10.1.1.1", "198.51.100.1", "198.51.100.1"),
        ("10.1.1.1", "203.0.113.9, 198.51.100.1, 10.2.2.2", "198.51.100.1"),
        ("10.1.1.1", "", "10.1.1.1"),
        ("10.1.1.1", "198.51.100.1, rubbish", "10.1.1.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "", "192.0.2.7"),
        (None, "198.51.100.1", "local"),
    ],
)
def test_forwarded_addresses_count_only_from_trusted_proxies(peer: str | None, forwarded: str, expected: str) -> None:
    """The last address that no trusted proxy has is charged; IPv6 by its /64."""
    assert client_address(peer, forwarded, PROXIES) == expected


@pytest.mark.parametrize(
    "headers", [{"authorization": "Bearer s3cr3t"}, {"authorization": "bearer  s3cr3t"}, {"x-api-key": "s3cr3t"}]
)
def test_a_key_is_known_by_either_header(headers: dict[str, str]) -> None:
    """With keys on, the client is the key's id, and sees its own jobs only."""
    client = Keyring.of(["team:s3cr3t", "other:x"], []).identify(headers, "192.0.2.7")
    assert client == Client("team", keyed=True, high=False, scopes=USUAL)
    assert client.owns("team")
    assert not client.owns("other")


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic s3cr3t"}, {"x-api-key": "S3cr3t"}, {"x-api-key": ""}])
def test_without_a_known_key_nobody_is_let_in(headers: dict[str, str]) -> None:
    """No key, another scheme, or a wrong key are unauthorized."""
    with pytest.raises(Unauthorized):
        Keyring.of(["team:s3cr3t"], []).identify(headers, "192.0.2.7")


def test_a_key_may_carry_the_right_to_high_priority() -> None:
    """The right stands behind the secret."""
    assert Keyring.of(["team:s:priority=high"], []).identify({"x-api-key": "s"}, None).high


def test_a_key_says_what_it_may_do() -> None:
    """Scopes and a limit stand behind the secret, in any order; without scopes it may do all but what admins may."""
    ring = Keyring.of(
        ["a:x:images/min=60:scopes=read", "b:y", "c:z:scopes=submit+read+admin:priority=high", "bare"], []
    )
    a, b, c, bare = (ring.identify({"x-api-key": secret}, None) for secret in ("x", "y", "z", "bare"))
    assert (a.scopes, a.images_per_min, a.high) == (frozenset({Scope.READ}), 60, False)
    assert b.scopes == bare.scopes == frozenset({Scope.SUBMIT, Scope.READ})
    assert (c.high, c.owns("a"), b.owns("a")) == (True, True, False)
    b.require(Scope.SUBMIT)
    for client, scope in ((a, Scope.SUBMIT), (b, Scope.ADMIN)):
        with pytest.raises(Forbidden):
            client.require(scope)


def test_a_bare_secret_has_an_id_that_does_not_show_it() -> None:
    """The id of a bare secret is stable and made from its hash."""
    ring = Keyring.of(["s3cr3t"], [])
    client = ring.identify({"x-api-key": "s3cr3t"}, None)
    assert client.id.startswith("key-")
    assert "s3cr3t" not in repr(ring)


@pytest.mark.parametrize("specs", [["a b:hush"], ["a:"], ["a:hush:speed=9"], ["a:hush", "a:shh"], *BAD_GRANTS])
def test_keys_that_cannot_be_read_stop_the_process_without_showing_a_secret(specs: list[str]) -> None:
    """A wrong key setting is a SettingsError that does not repeat it."""
    with pytest.raises(SettingsError) as caught:
        Keyring.of(specs, [])
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("specs", [["team:hush", "ops:hush:scopes=admin"], ["team:hush", "hush"]])
def test_a_secret_is_one_keys(specs: list[str]) -> None:
    """Of two keys with one secret, what the second may do would count for nobody."""
    with pytest.raises(SettingsError, match="one secret") as caught:
        Keyring.of(specs, [])
    assert "hush" not in str(caught.value)


def test_who_shows_no_key_is_a_stranger_and_owns_nothing() -> None:
    """Only where keys are on, and only without any key: a wrong one is refused, no job is a stranger's."""
    keys = Keyring.of(["team:s3cr3t"], [])
    stranger = keys.look({}, "192.0.2.7")
    assert (stranger.is_stranger, stranger.owns("team"), stranger.sees_all) == (True, False, False)
    assert keys.look({"x-api-key": "s3cr3t"}, "192.0.2.7").id == "team"
    with pytest.raises(Unauthorized):
        keys.look({"x-api-key": "wrong"}, "192.0.2.7")
    assert Keyring.of([], []).look({}, "192.0.2.7") == Client("192.0.2.7")
