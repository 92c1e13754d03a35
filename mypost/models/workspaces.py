"""The tenant."""

from uuid import UUID

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.errors import IllegalState
from mypost.models.base import Db
from mypost.models.paging import Listing
from mypost.models.relations import Relation
from mypost.models.removal import cancelled, deleted, disconnected


class Workspace(Model):
    """The tenant: owns brands, roles and members."""

    id = fields.UUIDField(primary_key=True)
    name = fields.CharField(100)
    slug = fields.CharField(80, unique=True)
    timezone = fields.CharField(64, db_default="UTC")
    approval_required = fields.BooleanField(db_default=False)
    allow_self_approval = fields.BooleanField(db_default=False)
    version = fields.IntField(db_default=1)
    created_at = fields.DatetimeField(db_default=Now())
    updated_at = fields.DatetimeField(db_default=Now())
    deleted_at = fields.DatetimeField(null=True)

    class Meta:
        """Its own id is its tenant scope."""

        table = "workspaces"


ITSELF = "id = ANY ($1::uuid[])"
ALIVE = "deleted_at IS NULL"
BY_ID = Relation(Workspace, "workspaces", "id", "id", where=ALIVE, scope=ITSELF, one=True)
OWNER = Relation(Workspace, "workspaces", "workspace_id", "id", scope=ITSELF, one=True)
ALL = Listing("workspaces", Workspace, "workspaces", where=ALIVE, scope=ITSELF)

END_CONNECTIONS = (
    "UPDATE connections SET status = 'failed', found = NULL, verifier = NULL"
    " WHERE workspace_id = $1 AND status IN ('pending', 'choose_account')"
)
REVOKE_INVITATIONS = (
    "UPDATE invitations SET status = 'revoked' WHERE workspace_id = $1 AND status = 'pending'"
)
DELETE_WEBHOOKS = (
    "UPDATE webhooks SET active = false, deleted_at = mypost_now(), updated_at = mypost_now()"
    " WHERE workspace_id = $1 AND deleted_at IS NULL"
)
DELETE_BRANDS = (
    "UPDATE brands SET deleted_at = mypost_now(), updated_at = mypost_now()"
    " WHERE workspace_id = $1 AND deleted_at IS NULL"
)
DELETE_WORKSPACE = (
    "UPDATE workspaces SET deleted_at = mypost_now(), version = version + 1,"
    " updated_at = mypost_now() WHERE id = $1"
)
EVERYTHING = (
    cancelled("workspace_id = $1"),
    deleted("workspace_id = $1"),
    disconnected("workspace_id = $1"),
    END_CONNECTIONS,
    REVOKE_INVITATIONS,
    DELETE_WEBHOOKS,
    DELETE_BRANDS,
    DELETE_WORKSPACE,
)


async def delete(db: Db, id: UUID, *, force: bool) -> int:
    """Deletes a workspace with all it holds; answers how many posts it cancelled.

    Raises IllegalState while a post is being sent, or while posts are scheduled and `force` is off.
    """
    found = await db.record("SELECT * FROM lock_workspace($1)", id)
    if found.in_flight:
        raise IllegalState(f"{found.in_flight} posts of this workspace are being sent right now")
    if found.waiting and not force:
        raise IllegalState(f"The workspace has {found.waiting} scheduled posts; force cancels them")
    for statement in EVERYTHING:
        await db.run(statement, id)
    return int(found.waiting)
