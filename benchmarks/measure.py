"""What a comparison gives, and how two sides are timed."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Comparison:
    """Median seconds of both sides; smaller ratios are better for us."""

    title: str
    ours: float
    other: float
    bound: float
    """The ratio that was promised."""

    @property
    def ratio(self) -> float:
        """Ours over the other."""
        return self.ours / self.other

    @property
    def within(self) -> bool:
        """Whether the promise held."""
        return self.ratio <= self.bound


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def own_process(module: str, side: str) -> list[float]:
    """The numbers that one side of a comparison prints, run in a process of its own."""
    line = [sys.executable, "-m", module, side]
    answer = subprocess.run(line, check=True, capture_output=True, text=True, cwd=PROJECT).stdout
    return [float(number) for number in answer.split()]


def alternate(ours: Callable[[], float], other: Callable[[], float], rounds: int) -> tuple[float, float]:
    """Medians of both sides, taken in turns so that a noisy minute hits both.

    Each side times itself and returns seconds, so that preparation does not count. The
    order changes every round: whoever is second finds the machine warmer.
    """
    times: tuple[list[float], list[float]] = ([], [])
    sides = ours, other
    for turn in range(rounds):
        for side in (0, 1) if turn % 2 == 0 else (1, 0):
            times[side].append(sides[side]())
    return statistics.median(times[0]), statistics.median(times[1])
