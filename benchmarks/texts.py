"""Words to post: as long as people's, the same in every run."""

from __future__ import annotations

from functools import cache
from random import Random

_LETTERS = "etaonrishdlu"


@cache
def _vocabulary(count: int = 4000) -> list[str]:
    rng = Random(1)  # noqa: S311 - nothing secret
    return ["".join(rng.choices(_LETTERS, k=rng.randint(2, 9))) for _ in range(count)]


def post_text(rng: Random, size: int) -> str:
    """A text of exactly `size` characters."""
    words = " ".join(rng.choices(_vocabulary(), k=size // 3 + 1))
    return words[: size - 1].rstrip().ljust(size - 1, "e") + "."
