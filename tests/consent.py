"""Somebody at a consent page: he fills in its form and goes where he is sent, step by step."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

INPUT = re.compile(r'<input type=hidden name=(\w+) value="([^"]*)">')


async def consent(http: httpx2.AsyncClient, address: str, **filled: Any) -> str:
    """Answers where the consent page sends the browser; `decision="deny"` refuses."""
    page = await http.get(address)
    assert page.status_code == 200, page.text
    form = {name: unescape(value) for name, value in INPUT.findall(page.text)}
    given = {"login": "baker", "accounts": 2, "mode": "ok", "answer": "ok", "decision": "allow"}
    answer = await http.post(urljoin(address, "authorize"), data={**form, **given, **filled})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def query_of(address: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(address).query))
