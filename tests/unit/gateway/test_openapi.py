from collections.abc import Iterator
from typing import Any

from gateway.app import create_app
from gateway.endpoints.pages import policy_of
from tenfold.settings import Settings


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for inner in part.values():
            yield from references(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from references(inner)


def test_every_schema_that_is_referred_to_is_there() -> None:
    """Problem documents too, which no route returns by itself: generators of clients stop at a gap."""
    described = create_app(Settings(redis_url="unix:///nowhere")).openapi()
    names = {f"#/components/schemas/{name}" for name in described["components"]["schemas"]}
    assert "#/components/schemas/ProblemAnswer" in names
    assert set(references(described)) <= names


def test_what_a_key_may_lack_is_described_where_keys_are_asked_for() -> None:
    """Each route that may answer 401 may answer 403."""
    described = create_app(Settings(redis_url="unix:///nowhere")).openapi()
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            assert ("401" in route["responses"]) <= ("403" in route["responses"]), (method, path)


def test_every_error_of_every_route_is_a_problem_document() -> None:
    """Also a 422 that a route does not name; FastAPI's own shape of it is nowhere."""
    described = create_app(Settings(redis_url="unix:///nowhere")).openapi()
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}}
    for path, methods in described["paths"].items():
        for method, route in methods.items():
            for status, answer in route["responses"].items():
                assert (answer.get("content") == problem) == (int(status) >= 400), (method, path, status)
    assert not {"HTTPValidationError", "ValidationError"} & set(described["components"]["schemas"])


def test_a_page_runs_its_own_scripts_and_no_others() -> None:
    """The policy names the inline script by its hash, so that an injected one does not run."""
    policy = policy_of("<script src='a.js'></script><script>alert(1)</script>")
    script = next(part for part in policy.split("; ") if part.startswith("script-src"))
    assert script == "script-src 'self' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='"
