"""What a server of the bench is told by the runner that starts it."""

from mypost.settings import inherited


def read(name: str) -> str:
    """A variable that has to be set."""
    return inherited({})[name]
