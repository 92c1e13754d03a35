"""The proof by many kills: `make crash SEED=7`; docs/guarantee.md tells what it shows."""
