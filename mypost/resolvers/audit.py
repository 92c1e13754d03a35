"""The audit trail: read, never written here."""

from typing import Any
from uuid import UUID

from mypost import ids
from mypost.context import Context
from mypost.errors import Fault, Invalid
from mypost.models import audit as rows
from mypost.models import workspaces
from mypost.models.paging import Slice
from mypost.models.workspaces import Workspace
from mypost.operation import On, query
from mypost.permissions import Permission
from mypost.schema.audit import AuditFilter
from mypost.schema.common import Connection


@query(on=On(workspaces.BY_ID, "workspace", "workspace_id"), requires=Permission.WORKSPACE_SETTINGS)
async def audit_events(
    ctx: Context,
    workspace: Workspace,
    first: int | None = None,
    after: str | None = None,
    filter: AuditFilter | None = None,
) -> Connection[Any]:
    """What was done in a workspace and by whom, newest first."""
    chosen = {} if filter is None else _predicates(filter)
    page = await ctx.page(rows.BY_WORKSPACE, Slice(first, after), workspace.id, chosen)
    return Connection(page=page)


def _predicates(filter: AuditFilter) -> dict[str, Any]:
    user, resource = ids.parse(filter.user_id), ids.parse(filter.resource_id)
    _readable(("userId", filter.user_id, user), ("resourceId", filter.resource_id, resource))
    return {
        "action": filter.action,
        "user": user,
        "type": filter.resource_type,
        "resource": resource,
        "from": filter.from_,
        "to": filter.to,
    }


def _readable(*given: tuple[str, object, UUID | None]) -> None:
    """Raises Invalid naming every id that is none."""
    wrong = [Fault((name,), "Not an id") for name, text, id in given if text and id is None]
    if wrong:
        raise Invalid(wrong)
