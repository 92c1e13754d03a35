"""Names the rows of seed.sql by number: the twin of its `id` function."""

from mypost.ids import Tag

WORKSPACES, USERS, BRANDS, POSTS = 20, 200, 200, 200_000
EPOCH_MS, STEP_MS = 1_767_225_600_000, 100_000


def id_of(tag: Tag, number: int) -> str:
    """The id of the row with this number."""
    digits = f"{EPOCH_MS + STEP_MS * number:012x}7{tag:03x}8000{number:012x}"
    cuts = ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
    return "-".join(digits[begin:end] for begin, end in cuts)


def brand_of(post: int) -> int:
    """The brand whose post this is."""
    return (post - 1) % BRANDS + 1


def user_of(brand: int, rank: int = 0) -> int:
    """One of the ten people in a brand's workspace."""
    return (brand - 1) % WORKSPACES + 1 + WORKSPACES * rank
