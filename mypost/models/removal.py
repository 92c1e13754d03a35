"""What becomes of targets, posts and accounts that are taken away, whatever they go with."""


def cancelled(where: str, also: str = "") -> str:
    """Cancels what has not been sent of these targets; what was sent keeps its history."""
    return (
        "UPDATE targets SET state = 'cancelled', fence = fence + 1, lease_owner = NULL,"
        f" lease_until = NULL{also} WHERE NOT removed"
        f" AND state IN ('pending', 'scheduled', 'claimed') AND {where}"
    )


def deleted(where: str) -> str:
    """Deletes these posts."""
    return (
        "UPDATE posts SET deleted_at = mypost_now(), updated_at = mypost_now()"
        f" WHERE {where} AND deleted_at IS NULL"
    )


def disconnected(where: str) -> str:
    """Lets these accounts go: their tokens are wiped."""
    return (
        "UPDATE accounts SET status = 'disconnected', grant_cipher = NULL,"
        " token_expires_at = NULL, grant_ends_at = NULL, updated_at = mypost_now()"
        f" WHERE {where} AND status <> 'disconnected'"
    )
