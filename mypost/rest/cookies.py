"""The cookies an operation hands over, set the same way by both doors."""

from starlette.responses import Response

from mypost.context import Context
from mypost.rest.routes import BASE

# Only these endpoints read the refresh cookie.
PATH = f"{BASE}/auth"


def set_cookies(response: Response, ctx: Context) -> None:
    """Sets what the operation left in `caller.cookies`; an age of 0 takes a cookie away."""
    for name, (value, max_age) in ctx.caller.cookies.items():
        response.set_cookie(
            name,
            value,
            max_age=max_age,
            path=PATH,
            secure=ctx.services.settings.cookie_secure,
            httponly=True,
            samesite="strict",
        )
