"""Tells a difference so that it can be reproduced: the least document that shows it."""

import json
from typing import Any

from graphql import (
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    specified_scalar_types,
    visit,
)
from graphql.utilities import print_type

from mypost.engine.compiled import Unsupported, compile_operation
from tests.engine.check import Difference, check, oracle
from tests.engine.compare import spelled
from tests.engine.generate import Case
from tests.engine.shrink import shrunk


async def differing(case: Case) -> list[Difference]:
    """The differences of a case on its own."""
    try:
        writes = case.seed % 2 == 0
        plan = compile_operation(case.schema, case.document, case.asked.name, writes=writes)
    except Unsupported:
        return []
    return (await check(case, plan)).differences


async def report(difference: Difference) -> str:
    """A difference, made small, as a text."""
    least = await shrunk(difference.case, differing)
    difference = next(iter(await differing(least)), difference)
    case, data = difference.case, list[str]()
    oracle(case, told=data)
    return "\n".join(
        [
            f"=== seed {case.seed}: {difference.by} differs: {difference.what}",
            *types(case),
            "--- document", case.asked.text,
            "--- variables", json.dumps(case.variables), f"operationName: {case.asked.name}",
            "--- data", *dict.fromkeys(data),
            "--- expected", shown(difference.expected),
            "--- answered", shown(difference.answered),
        ]
    )  # fmt: skip


def shown(answer: Any) -> str:
    """An answer as it is compared."""
    return "nothing" if answer is None else json.dumps(spelled(answer), indent=1)


class _Types(Visitor):
    """Collects the types that a document touches."""

    def __init__(self, info: TypeInfo) -> None:
        super().__init__()
        self.info = info
        self.found: dict[str, Any] = {}

    def enter(self, *_: Any) -> None:
        info = self.info
        for type_ in (info.get_type(), info.get_parent_type(), info.get_input_type()):
            if type_ is not None:
                named = get_named_type(type_)
                self.found[named.name] = named


def types(case: Case) -> list[str]:
    """The types that a document touches, as they stand in the schema's text."""
    info = TypeInfo(case.schema)
    touched = _Types(info)
    visit(case.document, TypeInfoVisitor(info, touched))
    return [
        print_type(each) for n, each in touched.found.items() if n not in specified_scalar_types
    ]
