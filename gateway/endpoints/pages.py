"""``/docs`` and ``/redoc``: the API's pages, made from ``/openapi.json``. What they need comes from here too."""

import base64
import hashlib
import re
from pathlib import Path
from typing import Final

import fastapi_offline
from fastapi import APIRouter
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

router = APIRouter(include_in_schema=False)

FOLDER: Final = Path(fastapi_offline.__file__).parent / "static"
FILES: Final = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "redoc.standalone.js": "text/javascript",
}
_ICON: Final = "dashboard/icon.svg"
# Addresses are relative, so that the pages work under whatever path a proxy shows them.
_DOCS: Final = get_swagger_ui_html(
    openapi_url="openapi.json",
    title="Tenfold's API",
    swagger_js_url="docs/swagger-ui-bundle.js",
    swagger_css_url="docs/swagger-ui.css",
    swagger_favicon_url=_ICON,
)
_REDOC: Final = get_redoc_html(
    openapi_url="openapi.json",
    title="Tenfold's API",
    redoc_js_url="docs/redoc.standalone.js",
    redoc_favicon_url=_ICON,
    with_google_fonts=False,
)


def policy_of(page: str) -> str:
    """A Content-Security-Policy under which `page` runs its own inline scripts, and nothing comes from elsewhere.

    Both pages style themselves from their scripts; ReDoc searches in a worker that it makes, and would load its maker's
    logo from a server of theirs, which is not let.
    """
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(["'self'", *(f"'sha256-{one}'" for one in hashes)])
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
        "connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _page(made: Response) -> Response:
    html = bytes(made.body)
    headers = {"Content-Security-Policy": policy_of(html.decode()), "Cache-Control": "no-cache"}
    return Response(html, headers=headers, media_type="text/html")


@router.get("/docs")
async def docs() -> Response:
    """The page to try the API on."""
    return _page(_DOCS)


@router.get("/redoc")
async def redoc() -> Response:
    """The page to read about it."""
    return _page(_REDOC)


@router.get("/docs/{name}")
async def asset(name: str) -> FileResponse:
    """What these pages are made of."""
    if name not in FILES:
        raise HTTPException(404)
    return FileResponse(FOLDER / name, media_type=FILES[name], headers={"Cache-Control": "max-age=3600"})
