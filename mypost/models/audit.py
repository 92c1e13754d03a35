"""Who did what: written with the change, sealed by the sequencer, never altered."""

from tortoise import fields
from tortoise.fields import Now
from tortoise.models import Model


class AuditEvent(Model):
    """Who did what; the database refuses to change or delete it."""

    id = fields.UUIDField(primary_key=True)
    workspace_id = fields.UUIDField()
    action = fields.CharField(64)
    user_id = fields.UUIDField(null=True)
    actor_type = fields.CharField(10)
    resource_type = fields.CharField(32)
    resource_id = fields.UUIDField()
    metadata = fields.JSONField[dict[str, object]](db_default={})
    ip = fields.CharField(45, null=True)
    request_id = fields.CharField(64, null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        """Append-only by triggers."""

        table = "audit_events"
