"""What the audit makes of pip-audit's answers."""

from tests.audit import report, without_an_answer

FINE = {"name": "fine", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "ours", "skip_reason": "not found"}


def test_a_known_vulnerability_fails_and_is_named() -> None:
    """The package, the fault and the version that mends it are said."""
    status, line = report([FINE, BAD, UNKNOWN])
    assert status == 1
    assert "bad 2: CVE-1, mended by 2.1" in line
    assert "not known to the index: ours" in line


def test_nothing_looked_up_is_a_skip_and_no_good_news() -> None:
    """An index that knows none of the packages has not said that they are fine."""
    status, line = report([UNKNOWN, UNKNOWN])
    assert status == 0
    assert "SKIPPED" in line


def test_fine_is_said_with_how_many_were_looked_up() -> None:
    """Packages that could not be looked up are not counted among the fine ones."""
    status, line = report([FINE, UNKNOWN])
    assert status == 0
    assert "none of 1 packages" in line


def test_no_way_to_the_data_is_a_skip_and_a_fault_of_the_tool_is_not() -> None:
    """A refused connection and a certificate that nobody trusts are no way; anything else fails with what was said."""
    for said in ("requests.exceptions.SSLError: CERTIFICATE_VERIFY_FAILED", "requests.exceptions.ConnectionError: no"):
        status, line = without_an_answer(f"Traceback\n{said}")
        assert (status, "SKIPPED" in line) == (0, True)
    assert without_an_answer("KeyError: 'vulns'") == (1, "audit: pip-audit failed\nKeyError: 'vulns'")
