"""What a case reaches: counted, so that no feature of GraphQL goes untested unseen."""

from collections import Counter

from tests.engine.check import Checked
from tests.engine.compare import reached
from tests.engine.generate import Case

EVERY = (
    # the document
    "query", "mutation", "aliases", "merged fields", "keys that differ by type", "named fragments",
    "inline fragments", "fragments without a type", "fragments spread again", "__typename",
    "introspection", "several operations", "conditions by literal", "conditions by variable",
    "variables", "faulty variables",
    # the data
    "abstract", "awaitable", "awaitable item", "asynchronous list", "list of another kind",
    # its faults
    "raised", "raised by attribute", "exception as value", "exception as item",
    "fault in an awaitable item", "list that breaks off", "no list", "wrong leaf", "wrong object",
    "type misnamed", "type resolver raised", "predicate raised",
    # the answer
    "no errors", "several errors", "no data", "nulled regions", "request errors", "argument errors",
    "errors with extensions", "errors with a path of their own",
)  # fmt: skip

STRAWBERRY = (
    "computed", "loaded", "load failed", "refused", "raised by attribute", "wrong leaf",
    "argument errors", "nulled regions", "abstract", "merged fields", "mutation",
)  # fmt: skip


def features(case: Case, checked: Checked) -> Counter[str]:
    """The features that a case reaches, each counted once."""
    answer, errors = checked.expected, checked.expected.errors or []
    found = {name for name, times in case.asked.used.items() if times}
    for world in checked.worlds:
        found |= set(world.met)
    calls = checked.worlds[0].calls
    found |= {"merged fields" for call in calls if call.nodes > 1}
    for error in errors:
        depth = reached(answer.data, error.path or [])
        if error.path is None:
            found.add("request errors")
        elif depth is not None and depth < len(error.path):
            found.add("nulled regions")
        elif "Argument" in error.message:
            found.add("argument errors")
        if error.extensions:
            found.add("errors with extensions")
        if error.path and error.path[0] == "own":
            found.add("errors with a path of their own")
    found |= {"several errors"} if len(errors) > 1 else set()
    found |= {"no data"} if answer.data is None else set()
    found |= {"no errors"} if not errors else set()
    return Counter(found)
