"""The negative controls: bugs that the harness puts into its own database, and must find.

Each is a trigger on `targets` that runs before all others, so nothing of MyPost has to know of it.
"""

import asyncpg

from mypost.settings import credentials

# What a naive dispatcher does with a lost answer: it takes it for a refusal and sends again.
RESEND = """
  IF NEW.state = 'unknown' AND OLD.state = 'sending' THEN
    NEW.state := 'scheduled'; NEW.proof := 'definite_rejection'; NEW.check_at := NULL;
  END IF;"""
# What is left when `sending` is not committed before the send: a crash looks like a mere claim.
COMMIT_AFTER = """
  IF NEW.state = 'unknown' AND OLD.state = 'sending' AND NEW.error ->> 'message' LIKE '%interrupted%' THEN
    NEW.state := 'scheduled'; NEW.proof := 'definite_rejection'; NEW.check_at := NULL;
  END IF;"""  # noqa: E501 - SQL
# A lost answer that is taken for success.
OPTIMISM = """
  IF NEW.state = 'unknown' AND OLD.state = 'sending' THEN
    NEW.state := 'published'; NEW.proof := 'remote_id'; NEW.check_at := NULL; NEW.error := NULL;
    NEW.external_id := 'hoped-' || NEW.id; NEW.external_url := ''; NEW.published_at := now();
  END IF;"""
# A clock that is wrong.
HASTE = """
  IF NEW.state = 'scheduled' AND OLD.state = 'pending' THEN
    NEW.due_at := NEW.due_at - interval '2 s';
  END IF;"""
# A cancellation that is acknowledged and not heard.
DEAFNESS = """
  IF NEW.state = 'pending' AND OLD.state IN ('scheduled', 'claimed') THEN
    RETURN OLD;
  END IF;"""
# A queue that loses its order.
DISORDER = """
  IF NEW.state = 'scheduled' AND OLD.state = 'pending' THEN
    NEW.due_at := NEW.due_at + random() * interval '20 s';
  END IF;"""
# Nobody looks after what a crash left.
AMNESIA = """
  IF OLD.state IN ('claimed', 'sending') AND NEW.state IN ('scheduled', 'unknown') THEN
    RETURN NULL;
  END IF;"""
WAYS = {
    "resend": RESEND,
    "commit_after": COMMIT_AFTER,
    "optimism": OPTIMISM,
    "haste": HASTE,
    "deafness": DEAFNESS,
    "disorder": DISORDER,
    "amnesia": AMNESIA,
}


async def install(owner_url: str, way: str) -> None:
    """Puts one bug into the database; it needs a schema that is there already."""
    connection = await asyncpg.connect(**credentials(owner_url))
    try:
        await connection.execute(
            "CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" {WAYS[way]} RETURN NEW; END $$;"
            " CREATE TRIGGER a_sabotage BEFORE UPDATE ON targets"
            " FOR EACH ROW EXECUTE FUNCTION sabotage()"
        )
    finally:
        await connection.close()
