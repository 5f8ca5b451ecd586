"""`make bench`: runs every comparison and prints one table.

Machines are noisy, so each comparison alternates the two sides and reports the ratio of
their medians.
"""

import sys
from collections.abc import Callable

from rich.console import Console
from rich.table import Table

from benchmarks.answering import four_questions
from benchmarks.arena import fewer_votes, next_pair
from benchmarks.bundled import bundled_networks
from benchmarks.gallery import gallery
from benchmarks.loras import plan_of_eight, switching
from benchmarks.measure import Comparison
from benchmarks.overhead import drawing_overhead
from benchmarks.planning import hundred_thousand
from benchmarks.rescan import rescan
from benchmarks.scoring import lpips_pairs, ms_ssim_pairs, peak_memory, shared_network, whole_analysis
from benchmarks.scoring_again import scored_again
from benchmarks.second_run import second_run
from benchmarks.startup import first_page

COMPARISONS: dict[str, Callable[[], Comparison]] = {
    "first-page": first_page,
    "overhead": drawing_overhead,
    "rescan": rescan,
    "second-run": second_run,
    "planning": hundred_thousand,
    "gallery": gallery,
    "bundled": bundled_networks,
    "lora-switch": switching,
    "lora-plan": plan_of_eight,
    "scoring-lpips": lpips_pairs,
    "scoring-ms-ssim": ms_ssim_pairs,
    "scoring-shared": shared_network,
    "scoring-whole": whole_analysis,
    "arena-votes": fewer_votes,
    "arena-next": next_pair,
    "vqa": four_questions,
}

ON_REQUEST: dict[str, Callable[[], Comparison]] = {
    "scoring-memory": peak_memory,
    "scoring-again": scored_again,
}
"""What takes too long to be run each time."""


def main(names: list[str]) -> int:
    """Run the named comparisons, or all; status 1 when a bound is missed."""
    table = Table("Comparison", "Ours, s", "Other, s", "Ratio", "Bound", "Within")
    missed = False
    for name in names or list(COMPARISONS):
        result = (COMPARISONS | ON_REQUEST)[name]()
        missed |= not result.within
        table.add_row(
            result.title,
            f"{result.ours:.2f}",
            f"{result.other:.2f}",
            f"{result.ratio:.3f}",
            f"{result.bound:g}",
            "yes" if result.within else "NO",
        )
    Console(width=120).print(table)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
