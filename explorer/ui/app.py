"""Builds and serves the page: theme, tabs in order, and the wires between tabs.

Wires: "Open in Gallery" and a click on a live thumbnail in Generate open Gallery on that
run, or on that picture; a model of the Models panel goes into Generate's list. Tabs know
nothing of each other.
"""

import logging
import os
from typing import Any

from explorer.api import Explorer
from explorer.errors import InvalidRequest

# Gradio reads it while it is imported, and would look up its analytics host.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from explorer.ui.analyze_tab import build_analyze_tab
from explorer.ui.arena_tab import build_arena_tab
from explorer.ui.endpoints import add_endpoints
from explorer.ui.forms import ui_errors
from explorer.ui.gallery_tab import build_gallery_tab, image_id_of
from explorer.ui.gallery_view import GalleryTab
from explorer.ui.generate_tab import GenerateHandles, build_generate_tab
from explorer.ui.job_view import Updates
from explorer.ui.models_panel import Browsing, ModelsPanel, add_to_comparison, build_models_panel
from explorer.ui.snapshots import run_of
from explorer.ui.widgets import model_choices

_log = logging.getLogger(__name__)

TITLE = "Model Benchmark Explorer"
SCRIPTS, STYLES = ("page.js", "gallery.js", "arena.js"), ("theme.css", "gallery.css", "arena.css")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MAX_UPLOAD = "500mb"
"""A zip of a few thousand pictures; larger ones go through the command line."""
DAY = 24 * 60 * 60
MAX_WAITING = 200
"""Events, not jobs: page events wait milliseconds, jobs wait in the workspace."""


def build_app(explorer: Explorer) -> gr.Blocks:
    """The whole page over one Explorer."""
    _use_workspace(explorer)
    # What was uploaded and not taken is kept for a day.
    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(DAY, DAY)) as page:
        gr.HTML(
            f"<header><h1>{TITLE}</h1><p>Same prompts, same seeds: which model is better, at what, "
            "and how sure is that?</p></header>",
            elem_id="head",
        )
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("Generate", id="generate"):
                generate = build_generate_tab(explorer, page)
            with gr.Tab("Analyze", id="analyze") as analyze_tab:
                build_analyze_tab(explorer, analyze_tab)
            with gr.Tab("Gallery", id="gallery") as gallery_tab:
                gallery = build_gallery_tab(explorer, gallery_tab)
            with gr.Tab("Arena", id="arena") as arena_tab:
                build_arena_tab(explorer, arena_tab)
        models = build_models_panel(explorer, page)
        _wire(explorer, tabs, generate, gallery)
        _wire_models(explorer, tabs, generate, models)
        add_endpoints(explorer)
    page.queue(api_open=False, max_size=MAX_WAITING, default_concurrency_limit=8)
    return page


def launch_options(explorer: Explorer) -> dict[str, Any]:
    """What `Blocks.launch` needs for this page, apart from where it serves."""
    settings = explorer.settings
    script = "".join((settings.assets / name).read_text(encoding="utf-8") for name in SCRIPTS)
    style = "".join((settings.assets / name).read_text(encoding="utf-8") for name in STYLES)
    return {
        "theme": make_theme(),
        "css": style,
        "head": f"<script>{script}</script>",
        "allowed_paths": [str(settings.images.resolve()), str(settings.exports.resolve())],
        "max_file_size": MAX_UPLOAD,
        "footer_links": ["api"],
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "show_error": False,
        "quiet": True,
    }


def launch(explorer: Explorer) -> tuple[gr.Blocks, str]:
    """Build the page and begin to serve it where the settings say; returns it and its address.

    Raises:
        InvalidRequest: The port is taken.
    """
    host, port = explorer.settings.host, explorer.settings.port
    page = build_app(explorer)
    try:
        _, url, _ = page.launch(
            server_name=host,
            server_port=port or None,  # Gradio's own search for a free one
            prevent_thread_lock=True,
            **launch_options(explorer),
        )
    except OSError as error:
        raise InvalidRequest(f"Cannot listen on {host}, port {port}. Choose another with --port.") from error
    return page, url


def serve(explorer: Explorer) -> None:
    """Serve the page and work on the queue, until stopped.

    Raises:
        InvalidRequest: The port is taken.
    """
    page, url = launch(explorer)
    print(f"{TITLE} is on {url}", flush=True)
    warn_when_open(explorer.settings.host, url)
    explorer.start()
    page.block_thread()


def warn_when_open(host: str, url: str) -> None:
    """Say so when others than this computer may reach the page."""
    if host not in LOOPBACK:
        _log.warning(
            "Everybody who can reach %s can generate, cancel and look at everything here. "
            "Serve on 127.0.0.1 unless you trust them all.",
            url,
        )


def make_theme() -> gr.themes.Base:
    """Calm colours and the system's own fonts, so that nothing is fetched."""
    return gr.themes.Base(
        primary_hue="indigo",
        neutral_hue="slate",
        radius_size="lg",
        font=("system-ui", "sans-serif"),
        font_mono=("ui-monospace", "monospace"),
    )


def _use_workspace(explorer: Explorer) -> None:
    """Gradio writes below the workspace, and serves thumbnails and blind copies without copying them."""
    settings = explorer.settings
    os.environ["GRADIO_TEMP_DIR"] = str((settings.root / "gradio").resolve())
    for folder in (settings.thumbnails, settings.arena):
        folder.mkdir(parents=True, exist_ok=True)
    gr.set_static_paths([settings.thumbnails.resolve(), settings.arena.resolve()])


def _wire_models(explorer: Explorer, tabs: gr.Tabs, generate: GenerateHandles, panel: ModelsPanel) -> None:
    def add(state: Browsing, chosen: list[str]) -> Updates:
        with ui_errors():
            names = add_to_comparison(explorer, state.chosen, chosen or [])
            gr.Info("Added to the models to compare.")
            picker = gr.Dropdown(choices=model_choices(explorer), value=names)
            return {generate.models: picker, tabs: gr.Tabs(selected="generate")}

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    panel.use.click(add, [panel.state, generate.models], [generate.models, tabs], **hidden)
    # Files that were still being read when the page came join the choices; what is chosen stays.
    panel.scanned.change(
        lambda: gr.Dropdown(choices=model_choices(explorer)), None, generate.models, **hidden
    )


def _wire(explorer: Explorer, tabs: gr.Tabs, generate: GenerateHandles, gallery: GalleryTab) -> None:
    def open_run(job_id: str) -> Updates:
        with ui_errors():
            return {tabs: gr.Tabs(selected="gallery"), **gallery.show_run(run_of(explorer, job_id))}

    def open_picture(job_id: str, event: gr.SelectData) -> Updates:
        with ui_errors():
            updates = gallery.show_run(run_of(explorer, job_id), image_id_of(event))
            return {tabs: gr.Tabs(selected="gallery"), **updates}

    outputs = [tabs, *gallery.outputs]
    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    view = generate.view
    if view.open_gallery is not None and view.pictures is not None:
        view.open_gallery.click(open_run, generate.job, outputs, **hidden)
        view.pictures.select(open_picture, generate.job, outputs, **hidden)
