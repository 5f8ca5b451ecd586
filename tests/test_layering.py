"""Who may import whom: always downward, and nothing heavy at import time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SQL_FILES = (
    {"storage", "score_store", "job_store", "model_store", "work_store", "database", "schema"}
    | {"image_store", "trash"}
    | {"vote_store"}
)
DOWNLOADS = (
    *("fetcher", "delivery", "transfer", "civitai", "hub", "shelving", "meter", "identifier"),
    *("web", "exchange", "refusals", "offers", "sources", "options"),
)

RECOGNITION = ("reader", "folders", "headers", "gguf", "denoisers", "parts", "loras", "metadata", "sidecars")

IMPORTS = (
    *("importing", "preview", "mapping", "prompts", "folders"),
    *("tools", "comfyui", "foreign", "pictures", "uploads"),
)

FAMILIES = ("base", "stable_diffusion", "sd3", "flux", "zimage", "qwenimage", "pixart_sana")

ARENA = (
    *("arena_index", "deals", "pairing", "candidates", "casting", "blind_copies"),
    *("ready_pairs", "vote_totals"),
    *("ratings", "elo", "agreement", "trust"),
)

LAYERS: list[set[str]] = [
    {"benchmark_app"},
    {"explorer.ui.app"},
    {f"explorer.ui.{name}_tab" for name in ("generate", "analyze", "gallery", "arena")}
    | {"explorer.ui.endpoints"},
    {"explorer.cli", "explorer.cli_import", "explorer.cli_queue", "explorer.cli_reference"}
    | {"explorer.cli_questions"},
    {"explorer.api"},
    {"explorer.summaries", "explorer.engine", "explorer.arena"},
    {"explorer.jobs"},
    {"explorer.worker", "explorer.generation", "explorer.analysis"} | {"explorer.question_writing"},
    {"explorer.exports", "explorer.bundle_import", "explorer.gallery"},
    {"explorer.compare"},
    {"explorer.lettering"},
    {"explorer.bundle_reader", "explorer.bundles", "explorer.html_report", "explorer.report_style"},
    {"explorer.answering", "explorer.inventory", "explorer.tally", "explorer.selections"},
    {f"explorer.{name}" for name in ARENA},
    {"explorer.reports", "explorer.tabular", "explorer.breakdowns", "explorer.comparisons"}
    | {"explorer.vote_files"}
    | {"explorer.points", "explorer.failed_questions"}
    | {"explorer.significance", "explorer.statistics", "explorer.score_tables"},
    {"explorer.imports"} | {f"explorer.imports.{name}" for name in IMPORTS},
    {"explorer.plans", "explorer.model_settings", "explorer.batches"},
    {"explorer.downloads"} | {f"explorer.downloads.{name}" for name in DOWNLOADS},
    {"explorer.environment"},
    {"explorer.samples"},
    {"explorer.reference_pictures", "explorer.reference_choices"},
    {"explorer.pipelines", "explorer.storage", "explorer.suites", "explorer.library", "explorer.checkpoints"}
    | {"explorer.catalog", "explorer.suite_questions", "explorer.question_files"}
    | {f"explorer.{name}" for name in ("drawing", "loading", "single_files", "placement", "loras")},
    {"explorer.families", "explorer.clip_tokenizer", "explorer.conditioning"}
    | {"explorer.lycoris", "explorer.lora_blocks", "explorer.module_names"}
    | {f"explorer.families.{name}" for name in FAMILIES},
    {"explorer.model_scan", "explorer.model_store", "explorer.pickles", "explorer.hashing"},
    {"explorer.recognition"} | {f"explorer.recognition.{name}" for name in RECOGNITION},
    {"explorer.trash"},
    {"explorer.image_store"},
    {"explorer.score_store", "explorer.job_store", "explorer.samplers", "explorer.recipes"}
    | {"explorer.work_store", "explorer.vote_store"},
    {"explorer.estimates"},
    {"explorer.database", "explorer.schema", "explorer.compute"},
    {"metrics"},
    {"explorer.folders"},
    {"explorer.types", "explorer.errors", "explorer.settings", "explorer.requests", "explorer.events"}
    | {"explorer.facts", "explorer.references", "explorer.whole_files", "explorer.ballots"},
]
"""From the door down. Files of `explorer/ui` not named here lie between tabs and the API."""


def modules() -> dict[str, Path]:
    files = [
        PROJECT / "benchmark_app.py",
        *PROJECT.glob("explorer/**/*.py"),
        *PROJECT.glob("metrics/**/*.py"),
    ]
    found = {}
    for file in files:
        parts = file.relative_to(PROJECT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(part for part in parts if part != "__init__")] = file
    return found


def imports(file: Path, *, top_level_only: bool = False) -> set[str]:
    """Names a file imports; those under TYPE_CHECKING do not count."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names: set[str] = set()
    nodes = tree.body if top_level_only else [n for n in ast.walk(tree) if not is_type_checking(n)]
    skipped = {child for n in ast.walk(tree) if is_type_checking(n) for child in ast.walk(n)}
    for node in nodes:
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def layer(module: str) -> int:
    for index, names in enumerate(LAYERS):
        if module in names or (module.split(".")[0] == "metrics" and "metrics" in names):
            return index
    if module.startswith("explorer.ui"):
        return 3
    raise AssertionError(f"{module} has no place in the floor plan: add it to LAYERS")


def internal_edges() -> list[tuple[str, str]]:
    known = modules()
    edges = []
    for module, file in known.items():
        for name in imports(file):
            if name in known and name != module and module not in ("explorer", "explorer.ui"):
                edges.append((module, name))
    return edges


def test_every_import_points_downward() -> None:
    wrong = [
        f"{source} imports {target}"
        for source, target in internal_edges()
        if target != "explorer"
        and not (source.startswith("metrics") and target.startswith("metrics"))
        and layer(target) < layer(source)
    ]
    assert not wrong


def test_no_cycles() -> None:
    edges: dict[str, set[str]] = {}
    for source, target in internal_edges():
        edges.setdefault(source, set()).add(target)
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for target in edges.get(module, ()):
                visit(target, (*path, module))
            done.add(module)

    for module in list(edges):
        visit(module, ())


@pytest.mark.parametrize("module", sorted(modules()))
def test_the_rules_of_each_module(module: str) -> None:
    names = imports(modules()[module])
    roots = {name.split(".")[0] for name in names}
    if not module.startswith("explorer.ui"):
        assert "gradio" not in roots
    if module.startswith("metrics"):
        assert "explorer" not in roots
    elif module != "explorer":
        # The face of the metrics library, and the shim every process passes through.
        assert not {n for n in names if n.startswith("metrics.") and n.split(".")[1].islower()} & set(
            modules()
        )
    if "sqlalchemy" in roots:
        assert module.split(".")[-1] in SQL_FILES
    if module.endswith("_tab"):
        reach = {n for n in names if n.startswith("explorer.")}
        assert not {n for n in reach if n.endswith("_tab") and n != module}
        assert not reach & {"explorer.storage", "explorer.pipelines"}


@pytest.mark.parametrize("package", ["explorer", "metrics"])
def test_importing_loads_no_heavy_library(package: str) -> None:
    heavy = "{'torch', 'diffusers', 'transformers', 'open_clip', 'torchvision', 'gradio', 'pandas'}"
    code = f"import sys, {package}; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PROJECT)


def test_files_are_small() -> None:
    long = {m: len(f.read_text(encoding="utf-8").splitlines()) for m, f in modules().items()}
    assert not {module: lines for module, lines in long.items() if lines > 400}
