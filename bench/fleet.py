"""The servers under measurement: all up at once, each pinned to the same core."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import compare, cores
from bench.client import Client, Seen, Unusable, tokens
from bench.database import FOLDER, ROOT, Database
from bench.variants import CHECKED, MYPOST, Variant, variants
from mypost.settings import inherited

PATIENCE_S = 15
FIRST_PORT = 18_100
# A server under load that answers with much less than before answers with errors.
LEAST = 0.7


@dataclass(frozen=True, slots=True)
class Measured:
    """One variant under one load, once."""

    seen: Seen
    cpu_ms: float
    pg_cpu_ms: float
    starved: float


class Fleet:
    """Running servers and what is known of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clients: dict[str, Client] = {}
        self.pids: dict[str, int] = {}
        self.bytes: dict[tuple[str, str], float] = {}

    def sign_in(self) -> None:
        """Signs everybody in afresh: an access token lasts a quarter of an hour."""
        (FOLDER / "tokens").write_text("\n".join(tokens()) + "\n")

    def check(self, loads: list[str], seed: int) -> None:
        """Compares all answers, and the walls of those who have them."""
        for load in loads:
            compare.check(list(self.clients.values()), load, seed)
        for name in {MYPOST, CHECKED} & self.clients.keys():
            compare.walled(self.clients[name])

    def measure(self, name: str, load: str, concurrency: int, seconds: int, seed: int) -> Measured:
        """Measures one variant; raises Unusable when it fails or answers less than before."""
        client, backends = self.clients[name], cores.children(self.database.postmaster)
        before, pg_before = cores.used(self.pids[name]), cores.used(*backends)
        seen = client.wrk(load, concurrency, seconds, seed)
        while not seen.requests and not seen.failed and seconds < PATIENCE_S:
            seconds *= 2  # so slow that none of the requests in flight came back
            seen = client.wrk(load, concurrency, seconds, seed)
        spent, pg_spent = cores.used(self.pids[name]) - before, cores.used(*backends) - pg_before
        usual = self.bytes.setdefault((name, load), seen.bytes)
        if seen.failed or not seen.requests or seen.bytes < LEAST * usual:
            raise Unusable(f"{name} {load}: {seen}")
        per = 1e3 / seen.requests
        return Measured(seen, spent.run * per, pg_spent.run * per, spent.starved)

    def statements(self, load: str) -> dict[str, int]:
        """How many SQL statements each variant needs for one request of a load."""
        found = {}
        for name, client in self.clients.items():
            counts = []
            for number in (3, 4, 5):
                client.ask(load, number)  # the viewer is known, the statement prepared
                before = self.database.statements()
                client.ask(load, number)
                counts.append(self.database.statements() - before)
            found[name] = min(counts)
        return found


@contextmanager
def _started(variant: Variant, port: int, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    words = [*cores.on(cores.SERVERS), *variant.command(port)]
    environment = inherited({**variant.environment, "PORT": str(port)})
    with log.open("w") as output:
        process = subprocess.Popen(words, env=environment, stdout=output, stderr=output, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def running(
    database: Database, names: list[str] | None = None, engine: Mapping[str, str] | None = None
) -> Iterator[Fleet]:
    """Starts the named variants, all when none is named, and waits until each answers."""
    known = variants(database, engine or {})
    fleet = Fleet(database)
    fleet.sign_in()
    with ExitStack() as stack:
        for offset, name in enumerate(names or known):
            port, log = FIRST_PORT + offset, FOLDER / f"{name}.log"
            process = stack.enter_context(_started(known[name], port, log))
            client = Client(name, known[name], port, FOLDER, database.scale)
            client.wait(lambda process=process: process.poll() is None)  # type: ignore[misc]
            fleet.clients[name], fleet.pids[name] = client, process.pid
        yield fleet
