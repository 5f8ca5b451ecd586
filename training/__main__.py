"""Command line: `python -m training PART --work DIR`."""

from __future__ import annotations

import argparse
from pathlib import Path

from training.run import PARTS, run_part


def main(arguments: list[str] | None = None) -> None:
    """Runs one part, or all in their order.

    Args:
        arguments: Command line without the program's name; by default that of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("part", choices=(*PARTS, "all"))
    parser.add_argument("--work", type=Path, required=True, help="folder of checkpoints and logs")
    parser.add_argument("--assets", type=Path, default=Path("assets"), help="where export writes to")
    parser.add_argument("--short", action="store_true", help="seconds instead of hours, for tests")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    options = parser.parse_args(arguments)

    import torch  # only now, so that a mistyped command is answered at once

    torch.set_num_threads(options.threads)
    for part in PARTS if options.part == "all" else (options.part,):
        run_part(part, options.work, options.assets, short=options.short)


if __name__ == "__main__":
    main()
