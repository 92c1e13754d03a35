"""What asks: single requests that are looked at, and wrk for those that are counted."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen
from uuid import UUID

from bench import cores
from bench.documents import LOADS
from bench.numbers import BRANDS, POSTS, USERS, brand_of, id_of, user_of
from bench.variants import SECRET, Variant
from mypost.crypto import Keys
from mypost.ids import Tag
from mypost.settings import inherited
from mypost.tokens import Sessions

SCRIPT = Path(__file__).parent / "load.lua"
PATIENCE_S = 60
UNIT = {"us": 1e-3, "ms": 1.0, "s": 1e3, "B": 1.0, "KB": 2**10, "MB": 2**20, "GB": 2**30}


class Unusable(Exception):
    """A server does not answer as it should; the message says which and how."""


def tokens() -> list[str]:
    """A fresh access token for each person of the data set, in their order."""
    pool: Any = None  # signing asks no database
    sessions = Sessions(Keys(bytes.fromhex(SECRET)), pool)
    people = [(UUID(id_of(Tag.USER, n)), UUID(id_of(Tag.SESSION, n))) for n in range(1, USERS + 1)]
    return [sessions.access_token(*person) for person in people]


@dataclass(frozen=True, slots=True)
class Seen:
    """What wrk has counted."""

    requests: int
    rps: float
    p50_ms: float
    p99_ms: float
    bytes: float
    failed: int


class Client:
    """Asks one running variant."""

    def __init__(self, name: str, variant: Variant, port: int, folder: Path, scale: float) -> None:
        self.name = name
        self.variant = variant
        self.port = port
        self.tokens = folder / "tokens"
        self.posts = int(POSTS * scale)

    def _body(self, load: str) -> str:
        if self.variant.is_rest(load):
            return ""
        asked = LOADS[load]
        text = self.variant.document(load)
        if asked.cold:
            text = text.replace(f"query {asked.operation}", f"query {asked.operation}_{{n}}")
        return json.dumps({"query": text, "variables": {"id": "{id}"}})

    def count(self, load: str) -> int:
        """How many rows a load chooses from."""
        return BRANDS if LOADS[load].tag is Tag.BRAND else self.posts

    def ask(self, load: str, number: int, token: str | None = None) -> Any:
        """Answers the JSON of one request; raises Unusable for anything but 200."""
        id = id_of(LOADS[load].tag, number)
        user = user_of(brand_of(number) if LOADS[load].tag is Tag.POST else number)
        token = token or self.tokens.read_text().splitlines()[user - 1]
        unique = str(time.time_ns())
        body = self._body(load).replace("{id}", id).replace("{n}", unique).encode() or None
        url = f"http://127.0.0.1:{self.port}{self.variant.paths[load].replace('{id}', id)}"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if body:
            headers["Content-Type"] = "application/json"
        try:
            with urlopen(Request(url, body, headers), timeout=30) as response:
                return json.loads(response.read())
        except URLError as error:
            said = error.read()[:500] if hasattr(error, "read") else b""
            raise Unusable(f"{self.name} {load}: {error} {said!r}") from error

    def wait(self, alive: Callable[[], bool]) -> None:
        """Waits until the server answers."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.ask("dashboard", 1)
            except (Unusable, OSError) as error:
                if time.monotonic() > deadline or not alive():
                    raise Unusable(f"{self.name} does not start: {error}") from error
                time.sleep(0.2)
            else:
                return

    def wrk(self, load: str, concurrency: int, seconds: int, seed: int) -> Seen:
        """Lets wrk ask for random rows on the other core, and reads what it has counted."""
        path = self.variant.paths[load]
        told = {
            "BENCH_METHOD": "GET" if self.variant.is_rest(load) else "POST",
            "BENCH_PATH": path,
            "BENCH_BODY": self._body(load),
            "BENCH_TAG": str(int(LOADS[load].tag)),
            "BENCH_COUNT": str(self.count(load)),
            "BENCH_TOKENS": str(self.tokens),
            "BENCH_SEED": str(seed),
        }
        words = ["wrk", "-t1", f"-c{concurrency}", f"-d{seconds}s", "--timeout", "10s", "--latency"]
        said = subprocess.run(
            [*cores.on(cores.OTHERS), *words, "-s", str(SCRIPT), f"http://127.0.0.1:{self.port}"],
            env=inherited(told), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if said.returncode:
            raise Unusable(f"wrk: {said.stdout}{said.stderr}")
        return _seen(said.stdout)


def constant(port: int, pid: int) -> float:
    """The µs of CPU that a server at this port spends on a request that it answers at once."""
    words = [*cores.on(cores.OTHERS), "wrk", "-t1", "-c16", "-d3s"]
    for _ in range(PATIENCE_S):
        time.sleep(0.5)
        before = cores.used(pid)
        said = subprocess.run(
            [*words, f"http://127.0.0.1:{port}"], capture_output=True, text=True, check=False
        )
        if not said.returncode and (seen := _seen(said.stdout)).requests > 100:  # noqa: PLR2004
            return (cores.used(pid) - before).run / seen.requests * 1e6
    raise Unusable("the constant answer cannot be had")


def _seen(text: str) -> Seen:
    def number(pattern: str) -> float:
        found = re.search(pattern, text)
        if found is None:
            return 0.0
        unit = found[2] if found.lastindex == 2 else None  # noqa: PLR2004 - value and unit
        return float(found[1]) * (UNIT[unit] if unit else 1.0)

    requests = int(number(r"(\d+) requests in"))
    errors = re.search(r"Socket errors: (.*)", text)
    broken = sum(map(int, re.findall(r"\d+", errors[1]))) if errors else 0
    return Seen(
        requests,
        number(r"Requests/sec:\s+([\d.]+)"),
        number(r"50%\s+([\d.]+)(us|ms|s)"),
        number(r"99%\s+([\d.]+)(us|ms|s)"),
        number(r"requests in [\d.]+\w+, ([\d.]+)(B|KB|MB|GB) read") / max(requests, 1),
        int(number(r"Non-2xx or 3xx responses: (\d+)")) + broken,
    )
