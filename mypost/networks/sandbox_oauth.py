"""A fake network to try OAuth with; beyond connecting, its accounts are as any of a playground."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from starlette.applications import Starlette

from mypost import networks
from mypost.networks.authority import Authority
from mypost.networks.oauth import OAuth, grant_of
from mypost.networks.playing import FIELDS, MODES, Player

# The server is a playground: whoever may reach it may know this.
_CLIENT = ("mypost", "known-to-everybody")


class SandboxOAuth(OAuth, Player, networks.Network):
    """The client; docs/connecting.md tells what the server is asked for."""

    key: ClassVar[str] = "sandbox_oauth"
    title: ClassVar[str] = "OAuth playground"
    kind: ClassVar[networks.Kind] = networks.Kind.KEY
    built_in: ClassVar[bool] = True
    scopes: ClassVar[tuple[str, ...]] = ("publish", "read")
    exchange_path: str = "/token"

    def __init__(self, environment: Mapping[str, str], origin: str) -> None:
        """Takes the client that the built-in server knows, unless another is set."""
        super().__init__(environment, origin)
        self.client_id = self.client_id or _CLIENT[0]
        self.client_secret = self.client_secret or _CLIENT[1]
        self.missing = ()
        self.issuer = self.base

    async def exchange(self, code: str, verifier: str, redirect: str) -> list[networks.Profile]:
        """Trades a code for the accounts of its login; raises Refused or Unavailable."""
        given = await self.redeem(code, verifier, redirect)
        scopes = self.granted(given)
        login = networks.Grant({"token": given["access_token"]})
        response = await self.ask("GET", "/accounts", login)
        match response.status_code, networks.read_object(response):
            case 200, {"accounts": list(listed)}:
                return [_profile(each, scopes) for each in listed]
        raise networks.Unavailable(f"no accounts in the answer {response.status_code}")

    @staticmethod
    def server(folder: Path) -> Starlette:
        """Makes the server with its file in `folder`; `state.slow_seconds` is its delay."""
        return Authority(
            folder, SandboxOAuth.key, SandboxOAuth.title, _faults,
            client=_CLIENT, scopes=SandboxOAuth.scopes, modes=tuple(MODES),
        )  # fmt: skip


def _profile(given: Any, scopes: tuple[str, ...]) -> networks.Profile:
    match given:
        case {"id": str(id_), "handle": str(handle), "name": str(name), "access_token": str(),
              "kind": str(kind)}:  # fmt: skip
            grant = grant_of(given, {"kind": kind})
            return networks.Profile(id_, handle, name, None, scopes, grant, grant.expires_at)
    raise networks.Unavailable("no account in the answer")


def _faults(given: Mapping[str, object]) -> list[tuple[str, str]]:
    checked = ((each.name, each.fault(given.get(each.name))) for each in FIELDS)
    return [(name, fault) for name, fault in checked if fault is not None]
