"""Writes a selection as SQL: rows then come as the JSON of their objects, and go out untouched.

What is pushed down is what a schema declares: columns, relations, and fields with their own SQL.
A selection that asks for anything else is not pushed; what is declared beneath it still is.
"""

from itertools import count

from graphql import GraphQLEnumType

from mypost.engine.declare import SPELLINGS, Column, Load, Related, Sql, Table
from mypost.engine.fetch import Attribute, declared_of
from mypost.engine.leaves import Leaf
from mypost.engine.plan import Field, Kind, Selection, Shape

# PostgreSQL cuts a longer name; asyncpg remembers no longer statement.
MAX_NAME, MAX_TEXT = 63, 12_000
# Raises for what no spelling covers, so that the engine reads it the other way, and tells it.
UNSPELLED = "unspelled"
ROW = "r"


class Unpushable(Exception):
    """The selection asks for something that has no SQL."""


def push(selection: Selection, table: Table) -> str | None:
    """Writes the JSON of one row, named `r`, as an SQL expression; None when it cannot be."""
    if not table.scope:
        return None
    try:
        text = _Writer().object(selection, table, ROW)
    except Unpushable:
        return None
    return text if len(text) <= MAX_TEXT else None


class _Writer:
    """Writes expressions, and names the rows of subqueries."""

    def __init__(self) -> None:
        self.numbers = count(1)

    def object(self, selection: Selection, table: Table | None, row: str) -> str:
        """The JSON of a row; without a table only what has its own SQL."""
        if not selection.fields:
            raise Unpushable
        entries = []
        for asked in selection.fields:
            key = asked if isinstance(asked, str) else asked.key
            if len(key) > MAX_NAME:
                raise Unpushable
            value = (
                f"'{selection.type.name}'::text"
                if isinstance(asked, str)
                else self.value(asked, table, row)
            )
            entries.append(f'{value} AS "{key}"')
        return f"(SELECT row_to_json(o) FROM (SELECT {', '.join(entries)}) o)"

    def value(self, field: Field, table: Table | None, row: str) -> str:
        """The value of one field of a row."""
        declared = declared_of(field.definition)
        if field.definition.args:
            raise Unpushable
        if isinstance(declared, Load | Sql) and (sql := _own(declared)) is not None:
            return self.spelled(field.shape, sql.replace("{row}", row), row)
        if isinstance(declared, Load) and declared.relation is not None:
            return self.related(field.shape, declared.relation, row)
        if not isinstance(field.fetch, Attribute) or table is None:
            raise Unpushable
        column = table.column(field.fetch.name)
        if column is None or not _fits(field.shape, column):
            raise Unpushable
        return self.spelled(field.shape, f"{row}.{field.fetch.name}", row)

    def spelled(self, shape: Shape, value: str, row: str) -> str:
        """A value spelled as its type is; for an object `value` says whether there is one."""
        if shape.kind is Kind.LEAF:
            assert shape.leaf is not None  # noqa: S101 - a leaf has one
            return _leaf(shape.leaf, value)
        if shape.kind is Kind.LIST and shape.of is not None and shape.of.kind is Kind.LEAF:
            assert shape.of.leaf is not None  # noqa: S101 - a leaf has one
            if _leaf(shape.of.leaf, value) != value:
                raise Unpushable
            return value
        if shape.kind is not Kind.OBJECT:
            raise Unpushable
        (selection,) = shape.selections.values()
        return f"CASE WHEN {value} THEN {self.object(selection, None, row)} END"

    def related(self, shape: Shape, relation: Related, parent: str) -> str:
        """What a relation leads to from a row: an object, or a list of them."""
        of = shape.of if shape.kind is Kind.LIST else shape
        listed = of is not shape
        if of is None or of.kind is not Kind.OBJECT or relation.one is listed or not relation.scope:
            raise Unpushable
        (selection,) = of.selections.values()
        row = f"{ROW}{next(self.numbers)}"
        found = (
            f"SELECT {self.object(selection, relation, row)} FROM {relation.table} {row}"
            f" WHERE {row}.{relation.child_key} = {parent}.{relation.parent_key}"
            f" AND {relation.where} AND {relation.scope}"
        )
        if not relation.one:
            return f"array_to_json(ARRAY({found} ORDER BY {relation.order}))"
        return f"({found})" if shape.nullable else f"coalesce(({found}), {UNSPELLED}('null')::json)"


def _own(declared: Load | Sql) -> str | None:
    return declared.text if isinstance(declared, Sql) else declared.sql


def _fits(shape: Shape, column: Column) -> bool:
    """Whether a column holds what the type wants."""
    if column.nullable and not shape.nullable:
        return False
    if shape.kind is Kind.LIST:
        of = shape.of
        return of is not None and of.kind is Kind.LEAF and column.kind == "texts"
    if shape.kind is not Kind.LEAF:
        return False
    if isinstance(shape.type, GraphQLEnumType):
        return column.kind == "text"
    spelling = SPELLINGS.get(shape.type.name)
    return spelling is not None and column.kind in spelling.kinds


def _leaf(leaf: Leaf, value: str) -> str:
    if isinstance(leaf.type, GraphQLEnumType):
        return _enum(leaf, value)
    spelling = SPELLINGS.get(leaf.type.name)
    if spelling is None:
        raise Unpushable
    return spelling.sql.replace("{v}", value)


def _enum(leaf: Leaf, value: str) -> str:
    """The name of an enum's value, or its stored value where the door spells it so."""
    told = {k: v for k, v in (leaf.spelling or {}).items() if type(k) is str}
    if not told or not all(isinstance(v, str) for v in told.values()):
        raise Unpushable
    cases = " ".join(f"WHEN {_quoted(k)} THEN {_quoted(v)}" for k, v in told.items())
    odd = f"{UNSPELLED}({value})"
    if leaf.nullable:
        odd = f"CASE WHEN {value} IS NOT NULL THEN {odd} END"
    return f"CASE {value} {cases} ELSE {odd} END"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
