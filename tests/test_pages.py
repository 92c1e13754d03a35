"""The pages for people: served whole by this process, and by nobody else."""

import gzip
import re

import pytest

from mypost.pages import FILES, WEB
from tests.client import Api

PAGES = {"/": "index.html", "/docs": "docs.html", "/graphql": "graphiql.html"}


@pytest.mark.parametrize("path", PAGES)
async def test_a_browser_gets_a_page_that_may_ask_nobody_else(api: Api, path: str) -> None:
    answer = await api.http.get(path, headers={"accept": "text/html,*/*"})

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "http://" not in answer.text
    assert "https://" not in answer.text


@pytest.mark.parametrize("name", PAGES.values())
async def test_all_that_a_page_loads_is_here(api: Api, name: str) -> None:
    for address in re.findall(r'(?:src|href)="(/web/[^"]+)"', (WEB / name).read_text()):
        answer = await api.http.get(address)

        assert answer.status_code == 200, address
        assert len(answer.content) > 100


async def test_what_is_packed_is_sent_packed(api: Api) -> None:
    answer = await api.http.get("/web/react.js")

    assert answer.headers["content-encoding"] == "gzip"
    assert answer.content == gzip.decompress(FILES["react.js"].read_bytes())


@pytest.mark.parametrize("path", ["/web/none.js", "/web/..%2fapp.py", "/web/README.md"])
async def test_nothing_else_is_served(api: Api, path: str) -> None:
    assert (await api.http.get(path)).status_code == 404


async def test_a_program_that_wants_no_page_has_to_post(api: Api) -> None:
    answer = await api.http.get("/graphql", headers={"accept": "application/json"})

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
