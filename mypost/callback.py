"""Where networks send people back to after their page: a small page, or on to the product's own."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode, urlsplit, urlunsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mypost import pages
from mypost.context import Context
from mypost.resolvers.authorizations import Arrival, Refusal, arrive
from mypost.resolvers.redeeming import CALLBACK

# The address that was asked for holds a code: no other server hears of it.
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
DONE = "{} has answered. Go back to MyPost and choose what to connect; this window can be closed."


def route(make_context: Callable[[Request], Awaitable[Context]], onward: str | None) -> Route:
    """Answers the route; `onward` is the address to send people on to."""

    async def callback(request: Request) -> Response:
        # A HEAD, as previews send it, must not use the state up.
        if request.method != "GET":
            raise HTTPException(405, headers={"Allow": "GET"})
        ctx = await make_context(request)
        given = request.query_params
        try:
            if len(given.multi_items()) != len(given):
                raise Refusal("This answer says something twice")  # noqa: TRY301 - one place to answer
            arrival = await arrive(ctx, request.path_params["network"], given)
        except Refusal as refusal:
            return _refused(str(refusal), onward)
        return _arrived(arrival, onward)

    return Route(CALLBACK.format("{network}"), callback)


def _refused(why: str, onward: str | None) -> Response:
    if onward is not None:
        return _onward(onward, {"status": "refused"})
    return pages.told("Nothing was connected", why, 400, PRIVATE)


def _arrived(arrival: Arrival, onward: str | None) -> Response:
    status = "failed" if arrival.error else "choose_account"
    if onward is not None:
        return _onward(onward, {"connectionId": str(arrival.connection_id), "status": status})
    if arrival.error:
        return pages.told("Nothing was connected", arrival.error, 400, PRIVATE)
    return pages.told("Almost connected", DONE.format(arrival.network), 200, PRIVATE)


def _onward(address: str, told: dict[str, str]) -> Response:
    """Sends the browser to the one address that is configured, with an id and no secret."""
    parts = urlsplit(address)
    query = "&".join(filter(None, (parts.query, urlencode(told))))
    return RedirectResponse(urlunsplit(parts._replace(query=query)), 303, PRIVATE)
