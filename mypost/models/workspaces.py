"""The tenant."""

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model

from mypost.models.paging import Listing
from mypost.models.relations import Relation


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

    class Meta:
        """Its own id is its tenant scope."""

        table = "workspaces"


ITSELF = "id = ANY ($1::uuid[])"
BY_ID = Relation(Workspace, "workspaces", "id", "id", scope=ITSELF, one=True)
OWNER = Relation(Workspace, "workspaces", "workspace_id", "id", scope=ITSELF, one=True)
ALL = Listing("workspaces", Workspace, "workspaces", scope=ITSELF)
