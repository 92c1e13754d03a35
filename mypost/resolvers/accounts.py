"""Social accounts: get, disconnect."""

from mypost.context import Context
from mypost.models import accounts as rows
from mypost.models.accounts import Account
from mypost.operation import On, mutation, query
from mypost.permissions import Permission
from mypost.schema.accounts import DisconnectSocialAccountInput


@query(on=On(rows.BY_ID, "social account"))
async def social_account(ctx: Context, account: Account) -> Account:
    """One social account."""
    return account


@mutation(
    on=On(rows.BY_ID, "social account"),
    requires=Permission.ACCOUNTS_DISCONNECT,
    audit="social_account.disconnected",
)
async def disconnect_social_account(
    ctx: Context, account: Account, input: DisconnectSocialAccountInput
) -> Account:
    """Lets an account go: tokens are wiped, what waits is cancelled, history stays."""
    if account.status != "disconnected":
        await rows.let_go(ctx.db, account.id)
        ctx.after_commit("due")
    return await ctx.get(rows.BY_ID, account.id, "social account")
