"""Schemathesis, started from outside against the running house: what it is told, what it found.

Each operation has a person of its own, so that what deletes a brand leaves the others theirs; real
ids stand in three of four places where an id is asked for.
"""

import asyncio
import json
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mypost import ids, settings
from tests.samples import Setting
from tests.table import DOCUMENT, Row

PROGRAM = Path(__file__).parent.parent.parent / ".venv" / ".conformance" / "bin" / "schemathesis"
HOOKS = Path(__file__).parent / "hooks.py"
SEED, FULL = 20260101, 100
EXAMPLES = int(settings.inherited({}).get("MYPOST_TEST_EXAMPLES", FULL))
REST = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "unsupported_method,allow_header_conformance,ignored_auth"
)
GRAPHQL = "not_a_server_error,graphql_answer"
SECRETS = {"token", "refreshToken", "current", "email"}


def places(given: dict[str, Any], prefix: str) -> dict[str, str]:
    """Where a good call holds an id or a secret, and which."""
    found = {}
    for name, value in given.items():
        if isinstance(value, list) and value and ids.parse(value[0]):
            found[f"{prefix}{name}[*]"] = value[0]
        elif name in SECRETS or ids.parse(value):
            found[f"{prefix}{name}"] = value
    return found


@dataclass
class Config:
    """A `schemathesis.toml` that grows by one operation at a time."""

    words: list[str] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)

    def add(self, label: str, setting: Setting, known: dict[str, str]) -> None:
        bearer = json.dumps(f"Bearer {setting.ann.token}")
        lines = ["[[operations]]", f"include-name = {json.dumps(label)}"]
        lines += [f"headers = {{ Authorization = {bearer} }}", "[operations.parameters]"]
        for place, value in known.items():
            name = f"w{len(self.words)}"
            self.words.append(f"{name} = {{ values = [{json.dumps(value)}] }}")
            lines.append(f'{json.dumps(place)} = {{ dictionary = "{name}", probability = 0.75 }}')
        self.operations.append("\n".join(lines))

    def write(self, folder: Path) -> None:
        head = [f"seed = {SEED}", f"hooks = {json.dumps(str(HOOKS))}", "[dictionaries]"]
        text = "\n".join([*head, *self.words, *self.operations])
        (folder / "schemathesis.toml").write_text(text)


@dataclass(frozen=True)
class Verdict:
    """What a run found, as its report says, and what it told a person."""

    report: dict[str, Any]
    said: str

    @property
    def kinds(self) -> set[str]:
        return {failure["title"] for failure in self.report["failures"]}

    def holds(self, operations: int) -> None:
        """Fails unless every operation was tried often enough and nothing was found."""
        assert self.report["exit_code"] == 0, self.said
        assert self.report["operations"]["tested"] == operations, self.said
        assert self.report["test_cases"]["generated"] >= EXAMPLES * operations, self.said


async def run(folder: Path, schema: str, url: str, checks: str, *only: str) -> Verdict:
    """Runs the suite in a folder that holds its configuration and the schema.

    What is run on one operation `only` is a control, which is never cut short.
    """
    examples = str(FULL if only else EXAMPLES)
    words = [
        "run", schema, "--url", url, "--checks", checks, "--max-examples", examples,
        "--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--no-color",
        "--generation-database", "none", "--no-shrink", "--warnings", "off",
        "--report", "json", "--report-json-path", "report.json", *only,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), *words, cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    report = folder / "report.json"
    assert report.exists(), said.decode()
    return Verdict(json.loads(report.read_text()), said.decode())


def with_example(document: dict[str, Any], row: Row, given: dict[str, Any]) -> None:
    """Writes a good call into the description, as what an operation begins with."""
    said = document["paths"][row.route.path][row.route.method.lower()]
    for parameter in said["parameters"]:
        if parameter["name"] in given and parameter["in"] == "path":
            parameter["example"] = given[parameter["name"]]
    if "requestBody" in said:
        body = {k: v for k, v in given.items() if k not in row.names}
        said["requestBody"]["content"]["application/json"]["example"] = body


def copied() -> dict[str, Any]:
    """The description, for writing into."""
    return deepcopy(DOCUMENT)
