"""Repeatable choices, cheap enough to be made for every value of an answer."""

from collections.abc import Sequence
from typing import TypeVar

MASK = (1 << 64) - 1
T = TypeVar("T")


class Dice:
    """Choices that follow from a seed; the first of several choices is the simplest."""

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        mixed = ((seed & MASK) ^ 0x9E3779B97F4A7C15) * 0xBF58476D1CE4E5B9 & MASK
        self.state = mixed ^ (mixed >> 29)

    def upto(self, n: int) -> int:
        """A number from 0 to n - 1."""
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 33) % n

    def chance(self, percent: float) -> bool:
        """True so many times in a hundred."""
        return self.upto(1000) >= 1000 - percent * 10

    def pick(self, choices: Sequence[T]) -> T:
        """One of the choices."""
        return choices[self.upto(len(choices))]

    def some(self, choices: Sequence[T], percent: float) -> list[T]:
        """Each of the choices so many times in a hundred."""
        return [choice for choice in choices if self.chance(percent)]
