"""What the pages say holds: links, settings, commands, examples, excerpts."""

import ast
import json
import re
import shlex
import subprocess
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mypost import clock
from tests.client import Api, Person

ROOT = Path(__file__).parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
README = (ROOT / "README.md").read_text()
FENCE = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
KIND = {".py": "python", ".sql": "sql"}
DAY = "2030-01-01T07:00:00Z"
ASKED_FOR = {
    "strawberry-graphql", "graphql-core", "starlette", "uvicorn", "uvloop", "httptools",
    "websockets", "tortoise-orm", "asyncpg", "aiodataloader", "pyjwt", "arq", "redis",
}  # fmt: skip


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [body for _, name, body in FENCE.findall(text) if name == language]


def shape(value: Any) -> Any:
    """The keys of an answer, without its values."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else None


async def filled(text: str, ann: Person) -> str:
    """An example with real ids, a real token and a time that is not yet past."""
    given = {
        "BRAND_ID": ann.brand,
        "ACCOUNT_ID": await ann.account(),
        "TOKEN": ann.token,
        DAY: (clock.now() + timedelta(days=30)).isoformat(),
    }
    for word, real in given.items():
        text = text.replace(word, real)
    return text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = [to for to in LINK.findall(page.read_text()) if not (page.parent / to).exists()]

    assert dead == []


async def test_the_first_mutation_of_the_readme_works(ann: Person) -> None:
    answer = await ann.gql(await filled(blocks(README, "graphql")[0], ann))

    shown = json.loads(blocks(README, "json")[0])
    assert shape(answer) == shape(shown)
    assert answer["data"]["createPost"]["post"]["status"] == "SCHEDULED"


async def test_the_first_curl_of_the_readme_works(api: Api, ann: Person) -> None:
    answer = await _curl(api, await filled(blocks(README, "sh")[1], ann))

    body = answer.json()
    assert answer.status_code == 201
    assert shape(body) == shape(json.loads(blocks(README, "json")[1]))
    assert (body["status"], body["version"]) == ("scheduled", 2)


async def _curl(api: Api, command: str) -> Any:
    program, url, *options = shlex.split(command.replace("\\\n", " "))
    assert program == "curl"
    headers = [
        value for flag, value in zip(options[::2], options[1::2], strict=True) if flag == "-H"
    ]
    (data,) = [
        value for flag, value in zip(options[::2], options[1::2], strict=True) if flag == "-d"
    ]
    path = url.removeprefix("http://127.0.0.1:8000")
    named = dict(header.split(": ", 1) for header in headers)
    return await api.http.post(path, content=data.encode(), headers=named)


def test_the_readme_lists_every_setting() -> None:
    read = {
        node.value
        for node in ast.walk(ast.parse((ROOT / "mypost" / "settings.py").read_text()))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"(MYPOST|DATABASE|REDIS)_[A-Z_]*[A-Z]", node.value)
    }
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", README, re.MULTILINE))

    assert len(read) > 5
    assert read - listed == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_make_target_exists(page: Path) -> None:
    text = page.read_text()
    code = "\n".join(
        [*re.findall(r"`([^`\n]+)`", text), *(body for _, _, body in FENCE.findall(text))]
    )
    named = set(re.findall(r"^ *make ([a-z]+)", code, re.MULTILINE))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    assert named - targets == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_excerpt_stands_in_the_file_linked_before_it(page: Path) -> None:
    text = page.read_text()
    for excerpt in FENCE.finditer(text):
        links = LINK.findall(text[: excerpt.start()])
        if not links or KIND.get(Path(links[-1]).suffix) != excerpt[2]:
            continue
        source = (page.parent / links[-1]).read_text()
        for line in excerpt[3].splitlines():
            assert line.strip() in source, f"{links[-1]} does not say {line.strip()}"


def test_every_further_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["embedded"]]
    further = {re.split(r"[^a-z0-9-]", name)[0] for name in wanted} - ASKED_FOR
    page = (ROOT / "docs" / "decisions" / "0007-runtime-dependencies.md").read_text()

    assert set(re.findall(r"^\| `([a-z0-9-]+)`", page, re.MULTILINE)) == further


def test_no_file_names_the_machine_it_was_written_on() -> None:
    asked = ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("there is no history to ask for the files")
    files = [ROOT / name for name in done.stdout.splitlines()]
    told = [
        path.name
        for path in files
        if path != Path(__file__)
        and path.is_file()
        and re.search(rb"/(work|root)/", path.read_bytes())
    ]

    assert told == []
