"""Counts a recorder's file again: `python bench/crash/recount.py build/crash-7/recorder.jsonl`.

It knows nothing but the file. Each post carries its number in its words, so one account with two
accepted posts of one number has published twice. Exits 1 when there is such a pair.
"""

import hashlib
import json
import re
import sys
from collections import Counter
from pathlib import Path

NUMBER = re.compile(r"#m([0-9]{6})\b")


def main(name: str) -> int:
    """Prints what was accepted, what was accepted twice, and the file's hash."""
    content = Path(name).read_bytes()
    lines = [json.loads(line) for line in content.splitlines()]
    accepted = [line for line in lines if line["event"] == "accepted"]
    pairs: Counter[tuple[str, str]] = Counter()
    for line in accepted:
        found = NUMBER.search(line["text"])
        if found is None:
            sys.stdout.write(f"a post without a number: {line}\n")
            return 1
        pairs[line["account"], found[1]] += 1
    twice = {pair: count for pair, count in pairs.items() if count > 1}
    for (account, number), count in sorted(twice.items()):
        sys.stdout.write(f"{account} has {count} posts of number {number}\n")
    ids = len({line["id"] for line in accepted})
    if ids != len(accepted):
        sys.stdout.write(f"{len(accepted)} posts have {ids} ids\n")
    duplicate = sum(count - 1 for count in twice.values())
    digest = hashlib.sha256(content).hexdigest()
    sys.stdout.write(f"recount accepted={len(accepted)} duplicate={duplicate} sha256={digest}\n")
    return 1 if twice or ids != len(accepted) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
