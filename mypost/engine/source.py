"""Writes the Python of a plan: for each selection one function that builds its objects.

A function takes the batch of parents and the columns of the fields that were fetched before, and
answers one dict for each parent. Leaf attributes are read and spelled in place.
"""

from typing import Any

from mypost.engine.plan import Field, Kind, Plan, Selection


def compile_plan(plan: Plan) -> None:
    """Gives every selection of a plan its function, and the plan its source."""
    namespace: dict[str, Any] = {}
    writer = _Writer(namespace)
    functions = [writer.function(i, each) for i, each in enumerate(plan.selections)]
    plan.source = "\n\n".join(functions)
    exec(compile(plan.source, "<plan>", "exec"), namespace)  # noqa: S102 - written here, from the schema
    for i, selection in enumerate(plan.selections):
        selection.build = namespace[_name(i, selection)]


def _name(index: int, selection: Selection) -> str:
    return f"{selection.type.name}_{index}"


class _Writer:
    """Writes expressions, and keeps the constants they name."""

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.names: dict[int, str] = {}

    def constant(self, prefix: str, value: Any) -> str:
        """Binds a constant, once, and answers its name."""
        name = self.names.setdefault(id(value), f"{prefix}{len(self.names)}")
        self.namespace[name] = value
        return name

    def function(self, index: int, selection: Selection) -> str:
        """Writes the function of one selection."""
        columns = {f.key: f"c{i}" for i, f in enumerate(selection.branches)}
        values = {key: f"x{column[1:]}" for key, column in columns.items()}
        entries = ", ".join(self._entry(f, selection, values) for f in selection.fields)
        head = f"def {_name(index, selection)}({', '.join(['parents', *columns.values()])}):"
        if not columns:
            return f"{head}\n    return [{{{entries}}} for o in parents]"
        taken, given = ", ".join(["o", *values.values()]), ", ".join(["parents", *columns.values()])
        return f"{head}\n    return [{{{entries}}} for {taken} in zip({given})]"

    def _entry(self, asked: Field | str, selection: Selection, values: dict[str, str]) -> str:
        if isinstance(asked, str):
            return f"{asked!r}: {selection.type.name!r}"
        if asked.inline:
            return f"{asked.key!r}: {self._leaf(asked, f'o.{asked.fetch.name}')}"  # type: ignore[union-attr]
        value = values[asked.key]
        leaf = asked.shape.kind is Kind.LEAF
        return f"{asked.key!r}: {self._leaf(asked, value) if leaf else value}"

    def _leaf(self, asked: Field, value: str) -> str:
        assert asked.shape.leaf is not None  # noqa: S101 - a leaf has one
        return asked.shape.leaf.expression(value, self.constant)
