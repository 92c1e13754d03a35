"""Trusted documents: known before the start, prepared by it, and asked for by their ids.

An id is `sha256:` and the SHA-256 of the text (appendix A of graphql-over-http, and Apollo's
`persistedQuery`), or whatever key a manifest gives. Nothing that a client sends is ever added.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
from graphql import GraphQLError
from graphql.execution.values import VariableValues

from mypost.engine.compiled import Unsupported
from mypost.engine.documents import Documents, Prepared

SHA256 = "sha256:"
HEX = re.compile(r"[0-9a-f]{64}")
# The spellings that Apollo's clients know, and what they do: ask again with the text, or never.
NOT_FOUND = "PersistedQueryNotFound", "PERSISTED_QUERY_NOT_FOUND"
NOT_SUPPORTED = "PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED"
ONLY = "Only trusted documents are run here; send the id of one", "PERSISTED_QUERY_ONLY"
MISMATCH = "The id names another document than the text", "PERSISTED_QUERY_HASH_MISMATCH"
CODES = tuple(code for _, code in (NOT_FOUND, NOT_SUPPORTED, ONLY, MISMATCH))


class Unusable(Exception):
    """A manifest, or a document in it, cannot be used; the message says which and why."""


def id_of(text: str) -> str:
    """The id of a text."""
    return SHA256 + hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def load(path: Path) -> dict[str, str]:
    """Reads a manifest `{id: text}`, or a folder of manifests and `.graphql` files.

    Raises Unusable.
    """
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found: dict[str, str] = {}
    for file in files:
        for id, text in _read(file, given=file == path):
            if found.setdefault(id, text) != text:
                raise Unusable(f"{file}: {id} names two documents")
    if not found:
        raise Unusable(f"{path} holds no documents")
    return found


def _read(file: Path, *, given: bool) -> Iterator[tuple[str, str]]:
    """Yields the ids and texts of one file; a file of another kind in a folder has none."""
    if file.suffix not in (".json", ".graphql") and not given:
        return
    try:
        raw = file.read_bytes()
        if file.suffix == ".graphql":
            text = raw.decode()
            yield id_of(text), text
            return
        manifest = orjson.loads(raw)
    except (OSError, ValueError) as error:
        raise Unusable(f"{file} cannot be read: {error}") from None
    if not isinstance(manifest, dict) or not all(isinstance(v, str) for v in manifest.values()):
        raise Unusable(f"{file} is no JSON object of ids and documents")
    for key, text in manifest.items():
        digest, right = key.removeprefix(SHA256), id_of(text)
        if HEX.fullmatch(digest) and SHA256 + digest != right:
            raise Unusable(f"{file}: {key} is not the SHA-256 of its document, which is {right}")
        yield from {key: text, right: text}.items()


class Trusted:
    """Finds the document of a request: a trusted one by its id, any other by its text."""

    def __init__(
        self, documents: Documents, texts: Mapping[str, str] | None = None, *, only: bool = False
    ) -> None:
        self.documents = documents
        self.only = only
        self._texts: dict[str, Prepared] = {}
        self._ids: dict[str, Prepared] = {}
        for id, text in (texts or {}).items():
            if text not in self._texts:
                self._texts[text] = self._ready(id, text)
            self._ids[id] = self._texts[text]

    def find(self, text: str | None, id: str | None) -> Prepared:
        """Answers the document that a request names, or the refusal in its place."""
        known = self._texts.get(text or "") if id is None else self._ids.get(id)
        if known is not None:
            if text is not None and text != known.text:
                return self._refusal(*MISMATCH)
            known.sights += 1
            self.documents.compiler.counts.hits += 1
            return known
        if text is None:
            return self._refusal(*(NOT_FOUND if self._texts else NOT_SUPPORTED))
        if self.only:
            return self._refusal(*ONLY)
        if id is not None and id != id_of(text):
            return self._refusal(*MISMATCH)
        return self.documents.get(text)

    def _refusal(self, message: str, code: str) -> Prepared:
        error = GraphQLError(message, extensions={"code": code})
        return Prepared("", None, [error], self.documents.compiler)

    def _ready(self, id: str, text: str) -> Prepared:
        """Prepares a document and plans what does not depend on its variables."""
        prepared = self.documents.prepare(text)
        if prepared.document is None:
            raise Unusable(f"The trusted document {id} cannot be used: {prepared.errors[0]}")
        for name in prepared.names:
            compiled = prepared.operation(name).compiled
            if compiled is not None and not compiled.conditions:
                try:
                    compiled.compile(VariableValues({}, {}))
                except Unsupported as reason:
                    self.documents.compiler.counts.unsupported[str(reason)] += 1
        return prepared
