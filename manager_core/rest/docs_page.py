"""`/docs`: the API's own documentation page, with every file it needs from this server.

The page of FastAPI loads its scripts from another company's host: it stays empty on a network that is closed, and runs
foreign code on the origin that the console's sessions belong to.
"""

from __future__ import annotations

from importlib import resources

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from manager_core.errors import NotFound

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript; charset=utf-8",
    "swagger-ui.css": "text/css; charset=utf-8",
    "favicon-32x32.png": "image/png",
}
"""What `fastapi-swagger` brings of Swagger UI, and what each file is."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """Return the page that shows `/openapi.json`."""
    page = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=request.app.title,
        swagger_js_url="/docs/swagger-ui-bundle.js",
        swagger_css_url="/docs/swagger-ui.css",
        swagger_favicon_url="/docs/favicon-32x32.png",
        swagger_ui_parameters={"filter": True, "displayRequestDuration": True, "docExpansion": "none"},
    )
    page.headers.update(_HEADERS)
    return page


@router.get("/docs/{name}")
def asset(name: str) -> Response:
    """Return a script, style or picture of the page.

    Raises:
        NotFound: the page has no such file.
    """
    if name not in ASSETS:
        raise NotFound.of("File", name)
    content = (resources.files("fastapi_swagger.resources") / name).read_bytes()
    return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=86400"})
