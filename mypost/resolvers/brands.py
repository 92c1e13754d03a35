"""Brands: get, create, update, delete."""

from uuid import UUID

from mypost import ids
from mypost.context import Context
from mypost.models import brands as rows
from mypost.models import workspaces
from mypost.models.brands import Brand
from mypost.models.workspaces import Workspace
from mypost.operation import On, mutation, query
from mypost.permissions import Permission
from mypost.schema.brands import CreateBrandInput, DeleteBrandInput, UpdateBrandInput


@query(on=On(rows.BY_ID, "brand"))
async def brand(ctx: Context, brand: Brand) -> Brand:
    """One brand."""
    return brand


@mutation(
    on=On(workspaces.BY_ID, "workspace", "workspace_id", keep=True),
    requires=Permission.BRANDS_CREATE,
    audit="brand.created",
)
async def create_brand(ctx: Context, workspace: Workspace, input: CreateBrandInput) -> Brand:
    """Makes a brand in a workspace."""
    id = ids.new(ids.Tag.BRAND)
    await ctx.db.run(
        "INSERT INTO brands (id, workspace_id, name, description, timezone)"
        " VALUES ($1, $2, $3, $4, $5)",
        id, workspace.id, input.name.strip(), input.description,
        input.timezone or workspace.timezone,
    )  # fmt: skip
    return await ctx.get(rows.BY_ID, id, "brand")


@mutation(
    on=On(rows.BY_ID, "brand", lock=True), requires=Permission.BRANDS_EDIT, audit="brand.updated"
)
async def update_brand(ctx: Context, brand: Brand, input: UpdateBrandInput) -> Brand:
    """Changes a brand's name, description or time zone."""
    description = brand.description if input.description is None else input.description.value
    await ctx.db.run(
        "UPDATE brands SET name = coalesce($2, name), description = $3,"
        " timezone = coalesce($4, timezone), version = version + 1, updated_at = mypost_now()"
        " WHERE id = $1",
        brand.id, input.name and input.name.strip(), description, input.timezone,
    )  # fmt: skip
    return await ctx.get(rows.BY_ID, brand.id, "brand")


@mutation(on=On(rows.BY_ID, "brand", lock=True), requires=Permission.BRANDS_DELETE)
async def delete_brand(ctx: Context, brand: Brand, input: DeleteBrandInput) -> UUID:
    """Deletes a brand; refused while posts are scheduled, unless `force` cancels them."""
    cancelled = await rows.delete(ctx.db, brand.id, force=input.force)
    await ctx.audit("brand.deleted", brand, cancelled=cancelled)
    ctx.after_commit("due")
    return brand.id
