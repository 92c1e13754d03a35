"""A fake network for trying things out; its accounts connect by a handle and a mode."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import httpx2
from starlette.applications import Starlette

from mypost import networks
from mypost.networks.playground import Playground
from mypost.networks.playing import FIELDS, Player, grant_of


class Sandbox(Player, networks.Network):
    """The client; the protocol is docs/sandbox-protocol.md, an account's mode chooses its class."""

    key: ClassVar[str] = "sandbox"
    title: ClassVar[str] = "Sandbox"
    kind: ClassVar[networks.Kind] = networks.Kind.KEY
    built_in: ClassVar[bool] = True
    example: ClassVar[Mapping[str, str]] = {"handle": "corner-bakery", "mode": "ok"}
    fields: ClassVar[tuple[networks.Field, ...]] = FIELDS

    async def connect(self, credentials: Mapping[str, str]) -> networks.Profile:
        """Opens an account; raises Refused naming every faulty field, or Unavailable."""
        if faults := self.faults(credentials):
            raise networks.Refused(faults)
        given, status = await self._ask("/accounts", dict(credentials))
        match given:
            case {"id": str(id_), "handle": str(handle), "name": str(name), "token": str()}:
                grant = grant_of(given)
                ends = grant.expires_at
                return networks.Profile(id_, handle, name, None, ("publish",), grant, ends)
        raise networks.Unavailable(f"no account in the answer {status}")

    async def refresh(self, grant: networks.Grant) -> networks.Grant:
        """Trades the refresh token for a new pair; raises Refused, Unavailable or Unsupported."""
        if "refreshToken" not in grant.secrets:
            raise networks.Unsupported("this account's token is not renewed")
        body = {"refreshToken": grant.secrets["refreshToken"]}
        given, status = await self._ask("/tokens", body)
        match given:
            case {"token": str(), "refreshToken": str()} if status < httpx2.codes.BAD_REQUEST:
                return grant_of({"kind": grant.secrets.get("kind", self.kind), **given})
            case {"code": "invalid_grant", "message": str(message)}:
                raise networks.Refused([("refreshToken", f"was refused: {message}")])
        raise networks.Unavailable(f"no token in the answer {status}")

    async def _ask(self, path: str, body: Mapping[str, str]) -> tuple[dict[str, Any], int]:
        try:
            response = await self.send("POST", path, json=body)
        except networks.NoAnswer as fault:
            raise networks.Unavailable(str(fault)) from fault
        return networks.read_object(response), response.status_code

    @staticmethod
    def server(folder: Path) -> Starlette:
        """Makes the server with its file in `folder`; `state.slow_seconds` is its delay."""
        return Playground(folder, Sandbox.key, Sandbox.title, Sandbox.faults)
