"""What the engine has done since its start."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Counts:
    """What the engine has done since its start."""

    compiled: int = 0  # operations run by a plan
    interpreted: int = 0  # operations run by graphql-core, the first sight of a small one included
    given_up: int = 0  # plans that failed of themselves; graphql-core ran the operation instead
    plans: int = 0
    hits: int = 0
    misses: int = 0
    unsupported: Counter[str] = field(default_factory=Counter)
