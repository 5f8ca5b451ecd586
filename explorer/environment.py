"""What the results were made with: the program, Python, the libraries, the system."""

import platform

from explorer.pipelines import library_versions

PROGRAM = "Model Benchmark Explorer"
PROGRAM_VERSION = "0.1.0"


def environment() -> dict[str, str]:
    """Names and versions; says nothing of who or where."""
    return {
        "program": f"{PROGRAM} {PROGRAM_VERSION}",
        "system": f"{platform.system()} {platform.machine()}",
        **library_versions(),
    }
