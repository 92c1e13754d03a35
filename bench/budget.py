"""What each step of a request costs, in µs of server CPU: `python -m bench.budget`.

The applications are called without a server, in turn and in blocks, so that drift hits all alike;
each line is the difference to the line before. The server itself is measured apart, under wrk.
"""

import argparse
import asyncio
import cProfile
import io
import json
import os
import pstats
import random
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from bench import client, cores, database
from bench.documents import DASHBOARD
from bench.numbers import BRANDS, id_of, user_of
from bench.servers.steps import PATH, Step, steps
from bench.variants import GENEROUS, SECRET
from mypost import crypto, logs, settings
from mypost.app import build
from mypost.ids import Tag

BLOCKS, SIZE = 25, 60
PORT = 18_099
SHOWN = 25


class Requests:
    """Requests for random brands as wrk would send them."""

    def __init__(self) -> None:
        self.tokens = client.tokens()

    def __call__(self) -> tuple[dict[str, Any], Callable[[], Awaitable[Any]]]:
        """A fresh scope and its body."""
        number = random.randint(1, BRANDS)  # noqa: S311 - rows, not secrets
        token = self.tokens[user_of(number) - 1]
        variables = {"id": id_of(Tag.BRAND, number)}
        body = json.dumps({"query": DASHBOARD, "variables": variables}).encode()
        headers = [
            (b"host", b"127.0.0.1:18100"),
            (b"authorization", f"Bearer {token}".encode()),
            (b"accept", b"application/json"),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1", "server": ("127.0.0.1", 18_100),
            "client": ("127.0.0.1", 50_000), "scheme": "http", "method": "POST", "root_path": "",
            "path": PATH, "raw_path": PATH.encode(), "query_string": b"", "headers": headers,
            "state": {},
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        return scope, receive


async def _once(step: Step, requests: Requests) -> None:
    told = []

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    scope, receive = requests()
    await step.app(scope, receive, send)  # type: ignore[arg-type]
    if told[0]["status"] != 200 or b'"errors"' in told[-1]["body"][:20]:  # noqa: PLR2004
        raise client.Unusable(f"{step.name}: {told}")


async def _block(step: Step, requests: Requests) -> float:
    for _ in range(SIZE // 2):  # what is known for 5 s is known before the clock runs
        await _once(step, requests)
    begun = time.process_time()
    for _ in range(SIZE):
        await _once(step, requests)
    return (time.process_time() - begun) / SIZE * 1e6


async def _measure(every: list[Step], requests: Requests) -> dict[str, float]:
    """The least over blocks for each step, without what making a request costs."""
    found: dict[str, list[float]] = {step.name: [] for step in every}
    made = []
    for block in range(BLOCKS + 1):
        for step in random.sample(every, len(every)):
            spent = await _block(step, requests)
            if block:  # the first is the warm-up
                found[step.name].append(spent)
        begun = time.process_time()
        for _ in range(SIZE):
            requests()
        made.append((time.process_time() - begun) / SIZE * 1e6)
    # Whatever else the machine does can only add.
    return {name: min(times) - min(made) for name, times in found.items()}


@asynccontextmanager
async def _started(environment: dict[str, str]) -> AsyncIterator[list[Step]]:
    told = settings.read(environment)
    app = build(told, crypto.load(told.secret, told.data_dir))
    with (told.data_dir / "budget.log").open("w") as output:
        logs.configure(told.log_level, stream=output)
        async with app.router.lifespan_context(app):
            yield steps(app)


async def _profile(step: Step, requests: Requests) -> str:
    profiler = cProfile.Profile()
    with profiler:
        for _ in range(SIZE * 10):
            await _once(step, requests)
    text = io.StringIO()
    pstats.Stats(profiler, stream=text).sort_stats("tottime").print_stats(SHOWN)
    return text.getvalue()


async def _run(environment: dict[str, str], wire: float, profile: str | None) -> str:
    requests = Requests()
    async with _started(environment) as every:
        text = table(every, await _measure(every, requests), wire)
        chosen = [step for step in every if profile and profile in step.name]
        return "\n".join([text, *[await _profile(step, requests) for step in chosen]])


def _wire() -> float:
    """The server's own cost: uvicorn, its HTTP parser and sockets, around a constant answer."""
    words = [*cores.on(cores.SERVERS), sys.executable, "-m", "bench.servers.serve"]
    process = subprocess.Popen([*words, "bench.servers.steps:nothing", str(PORT), "off"])
    try:
        return client.constant(PORT, process.pid)
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.budget")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--profile", help="part of a step's name, profiled as well")
    asked = parser.parse_args()
    with database.running(asked.scale) as loaded:
        environment = {**loaded.addresses, **GENEROUS, "MYPOST_SECRET": SECRET}
        wire = _wire()
        cores.pin(cores.SERVERS, os.getpid())
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.stdout.write(runner.run(_run(environment, wire, asked.profile)) + "\n")
    return 0


def table(every: list[Step], found: dict[str, float], wire: float) -> str:
    """The steps as text: what each adds, and the sum so far with the server's own cost."""
    server, before = wire - found[every[0].name], 0.0
    lines = [f"{'µs of server CPU per request':42}{'adds':>9}{'sum':>9}"]
    lines.append(f"{'uvicorn: sockets, HTTP':42}{server:9.0f}{server:9.0f}")
    for step in every:
        spent = found[step.name]
        base = found[step.after] if step.after else before
        lines.append(f"{step.name:42}{spent - base:9.0f}{spent + server:9.0f}")
        before = spent
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
