"""The pages for people: where to go from here, the GraphQL explorer, the REST reference.

Everything they load comes from this process; the content policy lets them ask nobody else.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from html import escape
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

Endpoint = Callable[[Request], Awaitable[Response]]
WEB = Path(__file__).parent / "web"
TYPES = {".js": "text/javascript", ".css": "text/css"}
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"
)
HEADERS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"}
PARAMETERS = {"query", "documentId"}
A_DAY = "public, max-age=86400"


def routes(servers: Iterable[str]) -> list[Route]:
    """Answers the routes of the pages and of the files they load."""
    links = [f'<a href="/networks/{key}/">{key}</a>' for key in servers]
    home = (WEB / "index.html").read_text().replace("{networks}", ", ".join(links) or "none")

    async def first(_: Request) -> Response:
        return HTMLResponse(home, headers=HEADERS)

    async def reference(_: Request) -> Response:
        return HTMLResponse((WEB / "docs.html").read_text(), headers=HEADERS)

    return [
        Route("/", first),
        Route("/docs", reference),
        Route("/web/{name}", file),
    ]


def told(heading: str, words: str, status: int, headers: Mapping[str, str]) -> HTMLResponse:
    """Answers a page that tells one thing and loads nothing."""
    page = (WEB / "told.html").read_text()
    page = page.replace("{heading}", escape(heading)).replace("{words}", escape(words))
    return HTMLResponse(page, status, {**HEADERS, **headers})


def graphql(answer: Endpoint) -> Route:
    """Answers the route of both: a browser's look at the explorer, a program's operation."""

    async def either(request: Request) -> Response:
        asked = request.method == "GET" and not PARAMETERS.isdisjoint(request.query_params)
        program = asked and "text/html" not in request.headers.get("accept", "")
        return (
            await answer(request)
            if program or request.method == "POST"
            else await explorer(request)
        )

    return Route("/graphql", either, methods=["GET", "POST"])


def _is_program(request: Request) -> bool:
    """Whether somebody asks for data: a browser that is given an address shows the explorer."""
    if request.method != "GET":
        return request.method == "POST"
    asked = not PARAMETERS.isdisjoint(request.query_params)
    return asked and "text/html" not in request.headers.get("accept", "")


async def explorer(request: Request) -> Response:
    """Answers a browser with the GraphQL explorer; whoever wants no page has to POST."""
    if "text/html" not in request.headers.get("accept", ""):
        raise HTTPException(405, headers={"Allow": "POST"})
    return HTMLResponse((WEB / "graphiql.html").read_text(), headers=HEADERS)


FILES = {
    path.name.removesuffix(".gz"): path
    for path in [*WEB.glob("*.js"), *WEB.glob("*.css"), *(WEB / "vendor").glob("*.gz")]
}


async def file(request: Request) -> Response:
    """Answers a file that a page loads; what was packed is sent packed."""
    path = FILES.get(request.path_params["name"])
    if path is None:
        raise HTTPException(404)
    headers = {"Cache-Control": A_DAY, "X-Content-Type-Options": "nosniff"}
    if path.suffix == ".gz":
        headers["Content-Encoding"] = "gzip"
    kind = TYPES[Path(path.name.removesuffix(".gz")).suffix]
    return Response(path.read_bytes(), headers=headers, media_type=kind)
