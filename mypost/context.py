"""Who is calling, what he may reach, and what happens after his change has committed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from tortoise.models import Model

from mypost import ids
from mypost.crypto import Keys
from mypost.errors import ApiError, Forbidden, NotFound, Unauthorized
from mypost.feed import Feed
from mypost.limits import Limiter
from mypost.meter import Meter
from mypost.models.base import Db, Turns, Unspelled
from mypost.models.database import transaction
from mypost.models.idempotency import Once
from mypost.models.paging import Listing, Page, Slice, page
from mypost.models.reads import Reads
from mypost.models.relations import Reader, Relation
from mypost.networks import Network
from mypost.nudges import Nudges
from mypost.permissions import Permission
from mypost.settings import Settings
from mypost.throttle import Throttle
from mypost.tokens import Passwords, Sessions
from mypost.viewer import Membership, Viewer

M = TypeVar("M", bound=Model)
NOBODY = UUID(int=0)  # what no workspace owns


@dataclass(frozen=True, slots=True)
class Services:
    """What a process holds for its whole life; every context shares it."""

    settings: Settings
    keys: Keys
    pool: Reads
    nudges: Nudges
    networks: Mapping[str, Network]
    passwords: Passwords
    sessions: Sessions
    feed: Feed
    limiter: Limiter
    throttle: Throttle


@dataclass(slots=True)
class Caller:
    """What the transport knows of a request, and what it will send back besides the answer."""

    request_id: str
    ip: str | None = None
    refresh_cookie: str | None = None
    trusted_origin: bool = False
    repeats: bool = False
    replayed: bool = False
    cookies: dict[str, tuple[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hears:
    """What a subscription hears of, and what that needs."""

    workspace_id: UUID
    noun: str
    requires: Permission | None

    def refuses(self, viewer: Viewer | None) -> ApiError | None:
        """Answers why somebody may not hear it, or None."""
        if viewer is None:
            return Unauthorized("The session has ended")
        member = viewer.memberships.get(self.workspace_id)
        if member is None:
            return NotFound(self.noun)
        if self.requires is not None and self.requires not in member.permissions:
            return Forbidden(self.requires)
        return None


def workspace_of(row: Any) -> UUID:
    """The workspace a row lives in, or is."""
    id: UUID = row.id if ids.tag_of(row.id) is ids.Tag.WORKSPACE else row.workspace_id
    return id


class Context:
    """One operation's view of the world; `db` is the one way to a connection."""

    def __init__(
        self,
        services: Services,
        caller: Caller,
        viewer: Viewer | None,
        meter: Meter,
        connection: Turns | None = None,
        refused: Unauthorized | None = None,
    ) -> None:
        self.services = services
        self.caller = caller
        self.meter = meter
        self._viewer = viewer
        self._refused = refused
        self.turned_away = False
        self.db = Db(services.pool, connection)
        self.effects: list[tuple[str, tuple[Any, ...]]] = []
        self.reader = Reader(self.db, self.scope)
        self._entered: list[UUID] = []
        self.once: Once | None = None
        self.hears: Hears | None = None

    @property
    def keys(self) -> Keys:
        """The keys of this installation."""
        return self.services.keys

    @property
    def signed_in(self) -> bool:
        """Whether somebody is calling."""
        return self._viewer is not None

    @property
    def viewer(self) -> Viewer:
        """The caller; raises Unauthorized, with what was wrong with his token if he sent one."""
        if self._viewer is None:
            self.turned_away = self._refused is not None
            raise self._refused or Unauthorized()
        return self._viewer

    def scope(self, permission: Permission | None = None) -> list[UUID]:
        """The workspaces statements may reach."""
        return [*self.viewer.scope(permission), *self._entered]

    def load(self, relation: Relation[M], parent: Any) -> asyncio.Future[Any]:
        """Loads what a relation leads to from this row, batched with its siblings."""
        return self.reader.load(relation, getattr(parent, relation.parent_key))

    def load_key(self, relation: Relation[M], key: UUID) -> asyncio.Future[Any]:
        """Loads what a relation leads to from a key, batched with its siblings."""
        return self.reader.load(relation, key)

    async def follow(
        self, relation: Relation[M], parents: Sequence[Any], json: str | None = None
    ) -> list[Any]:
        """Reads what a relation leads to from each of these rows, at once."""
        name = relation.parent_key
        return await self.reader.many(relation, [getattr(parent, name) for parent in parents], json)

    async def find(
        self, relation: Relation[M], id: UUID, *, lock: bool = False, keep: bool = False
    ) -> M | None:
        """Reads one row the viewer may see, or None.

        `lock` holds it until commit, alone; `keep` with others who only want it to stay as it is.
        """
        sql = relation.sql + (" FOR NO KEY UPDATE" if lock else " FOR SHARE" if keep else "")
        return await self.db.row(relation.model, sql, self.scope(), [id])

    async def get(
        self,
        relation: Relation[M],
        id: UUID | None,
        noun: str,
        permission: Permission | None = None,
        *,
        lock: bool = False,
        keep: bool = False,
    ) -> M:
        """Fetches and authorises in one step: NotFound when foreign, else perhaps Forbidden.

        Raises RateLimited when too much is asked of the row's workspace.
        """
        row = None if id is None else await self.find(relation, id, lock=lock, keep=keep)
        if row is None and id is not None and await self.look_again():
            row = await self.find(relation, id, lock=lock, keep=keep)
        if row is None:
            raise NotFound(noun)
        if permission is not None:
            self.demand(permission, row)
        await self.meter.enter(workspace_of(row))
        return row

    async def look_again(self) -> bool:
        """Reads the memberships afresh: who has just joined is neither refused nor left out.

        Answers whether there are others; a transaction then reaches what they do.
        """
        known = self.viewer
        found = await self.services.sessions.holder(known.session_id, fresh=True, db=self.db)
        if found is None:
            return False
        self._viewer = found
        if found.memberships.keys() == known.memberships.keys():
            return False
        if self.db.connection is not None:
            await self.set_scope()
        return True

    async def _follow(self, inside: "Context") -> None:
        """Takes over what a committed change made of the viewer."""
        self._viewer = inside._viewer  # noqa: SLF001 - its own kind
        if inside._entered and self._viewer is not None:  # noqa: SLF001
            session = self._viewer.session_id
            self._viewer = await self.services.sessions.holder(session, fresh=True)

    def member(self, row: Any) -> Membership:
        """The viewer's membership in the workspace of a row."""
        return self.viewer.memberships[workspace_of(row)]

    async def look(self) -> None:
        """Raises why the viewer may not go on hearing, as it was at most 5 s ago."""
        viewer = await self.services.sessions.holder(self.viewer.session_id)
        if self.hears is not None and (why := self.hears.refuses(viewer)) is not None:
            raise why

    def refusal(self) -> ApiError | None:
        """Answers why the viewer may not go on hearing, by what is known here; None if he may."""
        if self.hears is None:
            return None
        return self.hears.refuses(self.services.sessions.known(self.viewer))

    def demand(self, permission: Permission, row: Any) -> None:
        """Raises Forbidden unless the viewer holds the permission where this row lives."""
        member = self.member(row)
        own = getattr(row, "created_by", None) == self.viewer.id
        if permission not in member.permissions:
            raise Forbidden(permission)
        if permission is Permission.POSTS_EDIT and member.own_posts_only and not own:
            raise Forbidden(message="This role edits its own posts only")

    async def page(
        self,
        listing: Listing[M],
        slice_: Slice,
        parent: UUID | None = None,
        filters: Mapping[str, Any] | None = None,
        json: str | None = None,
    ) -> Page[M]:
        """Reads one page of a listing in the viewer's scope; with `json` its items as that."""
        asked = self.db, self.keys, listing, self.scope(), slice_
        bound = {"parent": parent, "viewer": self.viewer.id, "filters": filters}
        if json is not None and self.db.connection is None:
            with suppress(Unspelled):
                return await page(*asked, **bound, json=json)  # type: ignore[arg-type]
        return await page(*asked, **bound)  # type: ignore[arg-type]

    async def enter(self, workspace_id: UUID) -> None:
        """Adds a workspace made in this transaction to its scope."""
        self._entered.append(workspace_id)
        await self.set_scope()

    async def set_scope(self) -> None:
        """Tells row security which workspaces this transaction may touch."""
        scope = self.scope() if self._viewer is not None else self._entered
        await self.db.value("SELECT set_config('mypost.ws', $1::uuid[]::text, true)", scope)

    def become(self, viewer: Viewer) -> None:
        """Makes a person who has just signed in the viewer of this operation."""
        self._viewer = viewer

    def after_commit(self, name: str, *args: Any) -> None:
        """Remembers a nudge that goes out once the change has committed."""
        self.effects.append((name, args))

    async def mail(self, address: str, subject: str, text: str) -> None:
        """Writes a letter in the transaction of the change; it is sent once that has committed."""
        id = ids.new(ids.Tag.MAIL)
        await self.db.value(
            "SELECT mail_add($1, $2, $3, $4)", id, address, subject, self.letter(id, text)
        )
        self.after_commit("mail", id)

    def letter(self, id: UUID, text: str) -> bytes:
        """Encrypts the text of a letter: it may hold a way in."""
        return self.keys.encrypt(text.encode(), NOBODY, id, "mail")

    async def release(self) -> None:
        """Sends the remembered nudges; the reader forgets what it read before the commit.

        Inside a transaction that is still open nothing is sent; what was changed is seen.
        """
        self.reader = Reader(self.db, self.scope)
        if self.db.connection is not None:
            if self._entered:
                session = self.viewer.session_id
                self._viewer = await self.services.sessions.holder(session, fresh=True, db=self.db)
            return
        effects, self.effects = self.effects, []
        for name, args in effects:
            await self.services.nudges.send(name, *args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Context"]:
        """Opens a transaction that row security lets into the viewer's workspaces.

        Inside one it is the same one. A change asked for once is begun and kept in it.
        """
        if self.db.connection is not None:
            yield self
            return
        async with transaction() as connection:
            inside = self._inside(Turns(connection))
            await inside.set_scope()
            if self.once:
                await self.once.begin(inside.db)
            yield inside
            if self.once:
                await self.once.keep(inside.db)
        await self._follow(inside)

    def _inside(self, connection: Turns) -> "Context":
        """The same operation, inside a transaction."""
        child = Context(self.services, self.caller, self._viewer, self.meter, connection)
        child.effects = self.effects
        return child

    async def audit_each(self, action: str, rows: Sequence[Any]) -> None:
        """Records the same action on each of these rows, at once."""
        if not rows:
            return
        events = [ids.new(ids.Tag.AUDIT_EVENT) for _ in rows]
        tag = ids.tag_of(rows[0].id)
        await self.db.run(
            "INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type,"
            " resource_type, resource_id, metadata, ip, request_id)"
            " SELECT g.id, g.workspace, $4, $5::uuid, 'user', $6, g.resource, '{}'::jsonb, $7, $8"
            " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS g (id, workspace, resource)",
            events,
            [workspace_of(row) for row in rows],
            [row.id for row in rows],
            action,
            self.viewer.id,
            tag.name.lower() if tag else "object",
            self.caller.ip,
            self.caller.request_id,
        )

    async def audit(
        self, action: str, row: Any, workspace_id: UUID | None = None, **metadata: Any
    ) -> None:
        """Records who did what, in the transaction of the change."""
        await self._record("user", self.viewer.id, action, row, workspace_id, metadata)

    async def audit_for(self, user_id: UUID, action: str, row: Any, **metadata: Any) -> None:
        """Records what came of what somebody had begun, while he is not here."""
        await self._record("system", user_id, action, row, None, metadata)

    async def _record(
        self,
        actor: str,
        user_id: UUID,
        action: str,
        row: Any,
        workspace_id: UUID | None,
        metadata: dict[str, Any],
    ) -> None:
        tag = ids.tag_of(row.id)
        workspace = workspace_id or workspace_of(row)
        await self.db.run(
            "INSERT INTO audit_events (id, workspace_id, action, user_id, actor_type,"
            " resource_type, resource_id, metadata, ip, request_id)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            ids.new(ids.Tag.AUDIT_EVENT),
            workspace,
            action,
            user_id,
            actor,
            tag.name.lower() if tag else "object",
            row.id,
            metadata,
            self.caller.ip,
            self.caller.request_id,
        )
