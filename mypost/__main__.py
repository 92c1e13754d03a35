"""The command line: `mypost serve`, `worker`, `migrate`, `user`, `demo`, `schema`, `openapi`, …"""

import asyncio
import sys
from collections.abc import Callable
from getpass import getpass
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import orjson
from cyclopts import App, Parameter

from mypost import embedded, logs
from mypost.settings import BadSettings

app = App(name="mypost", help="A publishing API: GraphQL first, with a REST compatibility layer.")
DataDir = Annotated[Path | None, Parameter(help="Where embedded services keep their data.")]


def _or_say_why(work: Callable[[], None]) -> None:
    """Runs a command; what a person can mend is one sentence, not a traceback."""
    try:
        work()
    except (BadSettings, embedded.Busy, embedded.NotRunning, embedded.Failed, OSError) as error:
        _fail(str(error))


def _fail(sentence: str) -> NoReturn:
    print(f"mypost: {sentence}", file=sys.stderr)
    raise SystemExit(1)


@app.command
def serve(
    *, host: str = "127.0.0.1", port: int = 8000, data_dir: DataDir = None, worker: bool = True
) -> None:
    """Serves the API, with the worker and, when no address is set, PostgreSQL and Valkey.

    Parameters
    ----------
    host: The address to listen on.
    port: The port to listen on; 0 takes a free one.
    worker: Whether to run the worker as a child.
    """
    from mypost import process

    _or_say_why(lambda: process.serve(host, port, data_dir, worker=worker))


@app.command
def worker(
    *,
    data_dir: DataDir = None,
    only: Literal["dispatcher", "deliverer", "arq"] | None = None,
    watch_parent: bool = False,
) -> None:
    """Runs the dispatcher, the deliverer and arq, supervised; `--only` runs one of them alone.

    Parameters
    ----------
    only: The one process to run: this is what the supervisor starts.
    watch_parent: Whether to end when standard input does, which is when the parent has gone.
    """
    from mypost import process

    _or_say_why(lambda: process.work(data_dir, only, watch_parent=watch_parent))


@app.command
def migrate(*, data_dir: DataDir = None) -> None:
    """Brings the database schema up to date."""
    from mypost import process
    from mypost.models import database

    def run() -> None:
        settings = process.attached(process.read(data_dir))
        asyncio.run(database.migrate(str(settings.owner_url)))

    _or_say_why(run)


@app.command
def recover(*, data_dir: DataDir = None) -> None:
    """Ends the quarantine after a restore: what was due is looked up, the rest goes out again."""
    from mypost import process
    from mypost.jobs import recover as recovering

    def run() -> None:
        print(asyncio.run(recovering.recover(process.attached(process.read(data_dir)))))

    _or_say_why(run)


@app.command
def user(email: str, *, name: str, data_dir: DataDir = None) -> None:
    """Adds a person, for an installation whose registration is closed; reads the password.

    Parameters
    ----------
    email: The address to sign in with.
    name: How colleagues see him.
    """
    from mypost import people, process

    def run() -> None:
        settings = process.attached(process.read(data_dir))
        password = getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip()
        asyncio.run(people.add(str(settings.owner_url), email, name, password))
        print(f"{email} can sign in")

    _or_say_why(run)


audit = App(name="audit", help="The audit trail.")
app.command(audit)


@audit.command
def verify(*, data_dir: DataDir = None) -> None:
    """Computes every seal of the audit trail anew; exits 1 when something was rewritten."""
    import asyncpg

    from mypost import process
    from mypost.models.audit import verify as walk
    from mypost.settings import credentials

    async def run(url: str) -> None:
        connection = await asyncpg.connect(**credentials(url))
        try:
            verdict = await walk(connection)
        finally:
            await connection.close()
        print(f"{verdict.rows} events of {verdict.workspaces} workspaces")
        if verdict.wrong:
            _fail("\n".join(verdict.wrong))

    _or_say_why(lambda: asyncio.run(run(str(process.attached(process.read(data_dir)).owner_url))))


@app.command
def demo(
    *, once: bool = False, network: str | None = None, port: int = 8000, data_dir: DataDir = None
) -> None:
    """Serves seeded data and publishes a first post while you watch.

    Parameters
    ----------
    once: Whether to print the transcript of the post's life and exit.
    network: The network to publish to; a built-in one when left out.
    port: The port to listen on; a free one when it is taken.
    """
    from mypost import demo as demonstration

    logs.configure("warning")
    _or_say_why(lambda: demonstration.run(data_dir, network, port, once=once))


@app.command
def schema(*, check: bool = False) -> None:
    """Writes schema.graphql, or checks that it is current.

    Parameters
    ----------
    check: Whether to compare instead of writing; exits 1 when they differ.
    """
    from mypost.schema.build import sdl

    _write_or_check(Path("schema.graphql"), sdl(), check=check)


def _write_or_check(path: Path, text: str, *, check: bool) -> None:
    if not check:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        _fail(f"{path} is not current: run `make schema` and review the difference")


@app.command
def openapi(*, check: bool = False) -> None:
    """Writes openapi.json, or checks that it is current.

    Parameters
    ----------
    check: Whether to compare instead of writing; exits 1 when they differ.
    """
    from mypost.rest.openapi import document

    path = Path("openapi.json")
    text = orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"
    _write_or_check(path, text, check=check)


@app.command
def explain(
    query: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    variables: str = "{}",
    operation: str | None = None,
) -> None:
    """Shows how the engine runs a document: its plan, and the Python it becomes.

    Parameters
    ----------
    query: The document; `-` reads it from standard input.
    variables: Its variables as JSON, where `@include` and `@skip` look at them.
    operation: The name of the operation, where there are several.
    """
    from mypost.engine.explain import explain as told
    from mypost.schema.build import schema as built

    text = sys.stdin.read() if query == "-" else query
    try:
        given = orjson.loads(variables)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        _fail("--variables is not a JSON object")
    print(told(built._schema, text, given, operation))  # noqa: SLF001 - Strawberry has no accessor


def main() -> None:
    """The console script."""
    app()


if __name__ == "__main__":
    main()
