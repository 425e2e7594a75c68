from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.complaints import Complaints
from tests.integration.gateway.gateway_world import running_gateway

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.mark.parametrize("path", ["docs", "redoc"])
def test_the_apis_pages_run_under_their_policy(
    open_page: Callable[..., Page], redis_url: str, complaints: Complaints, path: str
) -> None:
    """Both show the routes with nothing from elsewhere: ReDoc's logo, from a server of its maker's, is not let."""
    complaints.expected = "cdn.redoc.ly/redoc/logo-mini.svg"
    with running_gateway(redis_url) as (_, address):
        page = open_page(f"{address}/{path}")
        expect(page.get_by_text("/v1/detect").locator("visible=true").first).to_be_visible(timeout=60_000)
