"""What a benchmark reports, and how two things are timed side by side on a machine that does other things too."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import thread_time
from typing import Any

Figure = dict[str, Any]
"""An entry of bench.json: {name, value, unit, floor, ratio, note}."""
ROUNDS = 7


def figure(
    name: str, value: float, unit: str, *, floor: float | None = None, ratio: float | None = None, note: str = ""
) -> Figure:
    return {
        "name": name,
        "value": _short(value),
        "unit": unit,
        "floor": None if floor is None else _short(floor),
        "ratio": None if ratio is None else round(ratio, 3),
        "note": note,
    }


def _short(value: float) -> float:
    """Four digits say more than the measurement does."""
    return float(f"{value:.4g}")


def side_by_side(*subjects: Callable[[], object], slices: int = 20, calls: int = 50) -> list[list[float]]:
    """Calls per second of CPU of each subject in each round, after one round to warm up.

    For what computes and never waits. A round is many short slices by turns, so that whatever else the machine does
    slows all subjects alike.
    """
    rates: list[list[float]] = [[] for _ in subjects]
    for _ in range(ROUNDS + 1):
        spent = [0.0] * len(subjects)
        for _ in range(slices):
            for i, subject in enumerate(subjects):
                start = thread_time()
                for _ in range(calls):
                    subject()
                spent[i] += thread_time() - start
        for found, seconds in zip(rates, spent, strict=True):
            found.append(slices * calls / seconds)
    return [found[1:] for found in rates]


def beside(name: str, unit: str, ours: list[float], floor: list[float], note: str) -> Figure:
    """A rate and the share of its floor's that it reaches: medians both, the share taken round by round."""
    share = median(a / b for a, b in zip(ours, floor, strict=True))
    return figure(name, median(ours), unit, floor=median(floor), ratio=share, note=note)


def spread(values: list[float]) -> str:
    return f"{min(values):.4g} to {max(values):.4g} in {len(values)} rounds"
