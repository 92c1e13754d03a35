"""What keeps a post from being written, or from going out: judged without changing anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from mypost import clock, ids, zones
from mypost.context import Context
from mypost.errors import Fault, FaultCode
from mypost.models import accounts, workspaces
from mypost.models.accounts import Account
from mypost.models.aims import Aim
from mypost.models.brands import Brand
from mypost.models.posts import NOT_APPROVED
from mypost.networks import Network
from mypost.operation import faults_of
from mypost.schema.posts import LocalTimeInput, TargetInput
from mypost.zones import Moment

SKEW = timedelta(seconds=60)
HORIZON = timedelta(days=366 * 5)


@dataclass(frozen=True, slots=True)
class Time:
    """When a post is to go out, if that is said, and what is wrong with it."""

    moment: Moment | None = None
    faults: Sequence[Fault] = ()

    @property
    def said(self) -> bool:
        """Whether a time was given at all."""
        return self.moment is not None or bool(self.faults)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a post is to say and where it is to go; `stored` is what its targets say already."""

    content: str
    account_ids: Sequence[object]
    targets: Sequence[TargetInput] = ()
    media_ids: Sequence[object] = ()
    time: Time = field(default_factory=Time)
    stored: Mapping[UUID, Aim] = field(default_factory=dict)

    @property
    def wanted(self) -> list[UUID | None]:
        """The accounts it names; None where it names nothing."""
        return [ids.parse(id) for id in self.account_ids]


@dataclass(slots=True)
class Judged:
    """Where the post would go, and every fault with the account it is about."""

    chosen: list[Account] = field(default_factory=list)
    aims: list[Aim] = field(default_factory=list)
    told: list[tuple[UUID | None, Fault]] = field(default_factory=list)

    @property
    def faults(self) -> list[Fault]:
        """Every fault."""
        return [fault for _, fault in self.told]

    def tell(self, faults: Sequence[Fault], account: UUID | None = None) -> None:
        """Notes faults."""
        self.told += [(account, fault) for fault in faults]


async def known(
    ctx: Context, brand_id: UUID, wishes: Sequence[Wish], *, hold: bool = False
) -> dict[UUID, Account]:
    """Reads the accounts of the brand that these wishes name, at once.

    `hold` takes their lanes first: who writes a post must not see an account that is being let go.
    """
    wanted = {id for wish in wishes for id in wish.wanted if id}
    read = accounts.hold if hold else accounts.by_ids
    found = await read(ctx.db, ctx.scope(), list(wanted)) if wanted else []
    return {account.id: account for account in found if account.brand_id == brand_id}


def judge(
    ctx: Context, wish: Wish, known: Mapping[UUID, Account], *, goes_out: bool = False
) -> Judged:
    """Names every account, medium, text, option and time that will not do."""
    judged, wanted = Judged(), wish.wanted
    judged.tell(
        [
            _unknown("targetAccountIds", i, "account")
            for i, id in enumerate(wanted)
            if id not in known
        ]
    )
    judged.tell([_unknown("mediaIds", i, "media") for i, _ in enumerate(wish.media_ids)])
    judged.chosen = [known[id] for id in dict.fromkeys(wanted) if id and id in known]
    given = _given(wish, judged)
    for account in judged.chosen:
        _aim(ctx, wish, judged, account, given.get(account.id))
    judged.tell(wish.time.faults)
    if goes_out or wish.time.said:
        judged.told += _able(judged.chosen, wanted)
    else:
        joining = [account for account in judged.chosen if account.id not in wish.stored]
        judged.told += _cut_off(joining, wanted, ("disconnected",))
    return judged


def _unknown(list_: str, index: int, noun: str) -> Fault:
    return Fault((list_, str(index)), f"There is no such {noun}", FaultCode.NOT_FOUND)


def _given(wish: Wish, judged: Judged) -> dict[UUID, tuple[int, TargetInput]]:
    """What is said to single accounts; each has to be one the post goes to, and named once."""
    chosen, given = {account.id for account in judged.chosen}, {}
    for index, target in enumerate(wish.targets):
        id, place = ids.parse(target.account_id), ("targets", str(index), "accountId")
        if id is None or id not in chosen:
            judged.tell(
                [Fault(place, "Is not one of the accounts it goes to", FaultCode.NOT_FOUND)]
            )
        elif id in given:
            judged.tell([Fault(place, "Is named twice")], id)
        else:
            given[id] = (index, target)
    return given


def _aim(
    ctx: Context,
    wish: Wish,
    judged: Judged,
    account: Account,
    given: tuple[int, TargetInput] | None,
) -> None:
    """Adds where the post goes and what it says there; holds both against the network's rules."""
    stored = wish.stored.get(account.id) or Aim(account.id)
    content, options, index = stored.content, stored.options, ""
    said_here = False
    if given is not None:
        index, target = str(given[0]), given[1]
        said_here = target.content is not None and target.content.value is not None
        content = content if target.content is None else target.content.value
        options = options if target.options is None else target.options.value or {}  # type: ignore[assignment]
    aim = Aim(account.id, content, options)
    judged.aims.append(aim)
    network = ctx.services.networks.get(account.network)
    place = ("targets", index, "content") if said_here else ("content",)
    if content is None or said_here:
        judged.tell(_fits(network, account, aim.words(wish.content), place), account.id)
    if given is not None and given[1].options is not None:
        judged.tell(_options(network, options, ("targets", index, "options")), account.id)


def _options(network: Network | None, options: Any, place: tuple[str, ...]) -> list[Fault]:
    if not isinstance(options, dict):
        return [Fault(place, "Must be an object")]
    found = network.judge_options(options) if network else []
    return [Fault((*place, name), f"{name} {wrong}") for name, wrong in found]


def _fits(
    network: Network | None, account: Account, words: str, place: tuple[str, ...]
) -> list[Fault]:
    return [
        Fault(
            place,
            f"{account.name} ({account.network}) takes {m.minimum} to {m.limit} {m.unit},"
            f" this text has {m.length}",
            FaultCode.TOO_LONG if m.length > m.limit else FaultCode.REQUIRED,
        )
        for m in (network.measure(words) if network else [])
        if not m.fits
    ]


def when(at: datetime | None, local: LocalTimeInput | None = None) -> Time:
    """Reads a time, said as an instant or by a wall clock, and names what is wrong with it."""
    if at is not None and local is not None:
        return Time(faults=[Fault(("scheduledLocal",), "Say scheduledAt or scheduledLocal")])
    if local is None:
        return Time(Moment(at), _late(at, ("scheduledAt",))) if at is not None else Time()
    if wrong := faults_of(local):
        return Time(faults=[Fault(("scheduledLocal", *f.path), f.message, f.code) for f in wrong])
    place = ("scheduledLocal", "localTime")
    try:
        moment = zones.moment(local.local_time, local.timezone)
    except zones.NoSuchTime as error:
        return Time(faults=[Fault(place, str(error))])
    return Time(moment, _late(moment.at, place))


def _late(at: datetime, place: tuple[str, ...]) -> list[Fault]:
    now = clock.now()
    if at < now - SKEW:
        return [Fault(place, "Must not be in the past", FaultCode.IN_THE_PAST)]
    return [Fault(place, "Must be within five years")] if at > now + HORIZON else []


async def unapproved(ctx: Context, brand: Brand) -> list[Fault]:
    """What refuses every new post that has a time, where nothing goes out without approval."""
    workspace = await ctx.get(workspaces.BY_ID, brand.workspace_id, "workspace")
    demanded = workspace.approval_required
    return [Fault((), NOT_APPROVED, FaultCode.INVALID_STATE)] if demanded else []


def able(chosen: Sequence[Account]) -> list[Fault]:
    """Names the accounts that cannot publish, or that there is none."""
    return [fault for _, fault in _able(chosen, [account.id for account in chosen])]


def _able(
    chosen: Sequence[Account], wanted: Sequence[UUID | None]
) -> list[tuple[UUID | None, Fault]]:
    if not wanted:
        place = ("targetAccountIds",)
        return [(None, Fault(place, "Choose at least one account", FaultCode.REQUIRED))]
    return _cut_off(chosen, wanted, ("needs_reauth", "disconnected"))


def _cut_off(
    chosen: Sequence[Account], wanted: Sequence[UUID | None], states: Sequence[str]
) -> list[tuple[UUID | None, Fault]]:
    return [
        (
            account.id,
            Fault(
                ("targetAccountIds", str(wanted.index(account.id))),
                f"{account.name} is {account.status}: reconnect it first",
                FaultCode.INVALID_STATE,
            ),
        )
        for account in chosen
        if account.status in states
    ]
