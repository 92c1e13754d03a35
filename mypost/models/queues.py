"""An account's queue as people see it: what it waits for, and what its network says is left."""

from tortoise import fields
from tortoise.models import Model

from mypost.models.relations import Relation


class Queue(Model):
    """One account's lane, with what holds its whole network; no table of its own."""

    account_id = fields.UUIDField(primary_key=True)
    hold_until = fields.DatetimeField(null=True)
    hold_reason = fields.TextField(null=True)
    budget_limit = fields.IntField(null=True)
    budget_left = fields.IntField(null=True)
    budget_resets_at = fields.DatetimeField(null=True)

    class Meta:
        """Lanes and gates are the migrations' own: nothing here makes them."""

        table = "lanes"


# The hold that lasts longest counts; one that is over is none.
_HELD = """(
  SELECT l.account_id, l.workspace_id, l.budget_limit, l.budget_left, l.budget_resets_at,
         h.until AS hold_until, h.reason AS hold_reason
  FROM lanes l LEFT JOIN gates g USING (network) LEFT JOIN LATERAL (
    SELECT v.until, v.reason
    FROM (VALUES (l.hold_until, l.hold_reason), (g.hold_until, g.hold_reason)) v (until, reason)
    WHERE v.until > mypost_now() ORDER BY v.until DESC LIMIT 1) h ON true) q"""
OF_ACCOUNT = Relation(Queue, _HELD, "id", "account_id", order="account_id", one=True)
