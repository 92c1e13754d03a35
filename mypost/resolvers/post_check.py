"""Validate: what a post would meet, before anybody writes it."""

from mypost.context import Context
from mypost.errors import Fault
from mypost.models import brands
from mypost.models.accounts import Account
from mypost.models.brands import Brand
from mypost.operation import On, mutation
from mypost.permissions import Permission
from mypost.resolvers.post_rules import Judged, Wish, judge, known, unapproved, when
from mypost.schema.post_check import (
    PostCheck,
    PostCount,
    PostFault,
    TargetCheck,
    ValidatePostInput,
)


@mutation(
    on=On(brands.BY_ID, "brand", "brand_id"),
    requires=Permission.POSTS_CREATE,
    transaction=False,
)
async def validate_post(ctx: Context, brand: Brand, input: ValidatePostInput) -> PostCheck:
    """Answers every fault that would keep a post from going out at its time; writes nothing."""
    wish = Wish(
        input.content,
        input.target_account_ids,
        input.targets or (),
        input.media_ids or (),
        when(input.scheduled_at, input.scheduled_local),
    )
    judged = judge(ctx, wish, await known(ctx, brand.id, [wish]), goes_out=True)
    if wish.time.said:
        judged.tell(await unapproved(ctx, brand))
    return PostCheck(
        valid=not judged.told,
        faults=[spelled(fault) for fault in judged.faults],
        targets=[_target(ctx, wish, judged, account) for account in judged.chosen],
    )


def spelled(fault: Fault) -> PostFault:
    """Spells a fault as the contract shows it inside an answer."""
    return PostFault(code=fault.code, message=fault.message, path=fault.dotted)


def _target(ctx: Context, wish: Wish, judged: Judged, account: Account) -> TargetCheck:
    aim = next(aim for aim in judged.aims if aim.account_id == account.id)
    network = ctx.services.networks.get(account.network)
    measured = network.measure(aim.words(wish.content)) if network else []
    faults = [spelled(fault) for about, fault in judged.told if about == account.id]
    return TargetCheck(
        account_id=account.id,  # type: ignore[arg-type]
        network=account.network,  # type: ignore[arg-type]
        valid=not faults,
        counts=[
            PostCount(unit=m.unit, count=m.length, min=m.minimum, max=m.limit, fits=m.fits)
            for m in measured
        ],
        faults=faults,
    )
