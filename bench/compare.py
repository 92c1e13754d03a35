"""Whether two servers give the same answer: cursors left out, spellings of one value made alike."""

import random
import re
from typing import Any

from bench.client import Client, Unusable

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
CURSORS = {"cursor", "endCursor", "nextCursor"}
ENUMS = {"status", "phase", "network"}
# What MyPost's rows show besides what all are asked for; it costs MyPost alone.
BESIDES = {"risk", "approval", "scheduledLocal"}
SAMPLES = 5


def alike(value: Any, key: str = "") -> Any:
    """A value without what may differ: cursors, how an instant and an enum are written."""
    if isinstance(value, dict):
        return {k: alike(v, k) for k, v in value.items() if k not in CURSORS | BESIDES}
    if isinstance(value, list):
        return [alike(item) for item in value]
    if isinstance(value, str):
        if INSTANT.match(value):
            return value[:19]
        return value.lower() if key in ENUMS else value
    return value


def plain(load: str, answer: Any) -> Any:
    """What was asked for, without the door's wrapping; raises KeyError when there is none."""
    if load == "rest_list":
        if "page" in answer:
            return [answer["data"], answer["page"]["hasMore"]]
        page = answer["data"]["brand"]["posts"]
        return [page["nodes"], page["pageInfo"]["hasNextPage"]]
    if load == "rest_post":
        return answer["data"]["post"] if "data" in answer else answer
    if "errors" in answer:
        raise KeyError("data")
    return answer["data"]


def check(clients: list[Client], load: str, seed: int) -> None:
    """Asks every server for the same random rows. Raises Unusable naming the one that differs."""
    chooser = random.Random(seed)  # noqa: S311 - rows, not secrets
    for _ in range(SAMPLES):
        number = chooser.randint(1, min(c.count(load) for c in clients))
        wanted: Any = None
        for client in clients:
            answer = client.ask(load, number)
            try:
                found = alike(plain(load, client.variant.ours(load, answer)))
            except (KeyError, TypeError) as error:
                raise Unusable(f"{client.name} {load} {number}: {str(answer)[:500]}") from error
            if _empty(found):
                raise Unusable(f"{client.name} {load} {number}: nothing was found")
            wanted = wanted or found
            if found != wanted:
                where = _difference(wanted, found)
                raise Unusable(f"{client.name} {load} {number} differs at {where}")


def _empty(found: Any) -> bool:
    return not found or (isinstance(found, dict) and None in found.values() and len(found) == 1)


def _difference(one: Any, other: Any, path: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            if one.get(key) != other.get(key):
                return _difference(one.get(key), other.get(key), f"{path}.{key}")
    if isinstance(one, list) and isinstance(other, list):
        for i, (a, b) in enumerate(zip(one, other, strict=False)):
            if a != b:
                return _difference(a, b, f"{path}.{i}")
    return f"{path or 'the root'}: {str(one)[:80]} against {str(other)[:80]}"


def walled(client: Client) -> None:
    """Makes sure that who checks does check: nobody sees another workspace's brand."""
    second = client.tokens.read_text().splitlines()[1]
    answer = client.ask("dashboard", 1, second)
    if (answer.get("data") or {}).get("brand") is not None:
        raise Unusable(f"{client.name} shows a brand of another workspace")
