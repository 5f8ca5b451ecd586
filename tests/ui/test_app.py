import subprocess
import sys

import pytest

from explorer import Explorer, InvalidRequest, Settings
from explorer.ui.app import launch, warn_when_open
from tests.ui.conftest import Served

BUILD = """
import sys
from pathlib import Path
from explorer import Explorer, Settings
from explorer.ui.app import build_app
build_app(Explorer(Settings(root=Path(sys.argv[1]), offline=True)))
print([name for name in ("torch", "diffusers", "transformers", "plotly") if name in sys.modules])
"""


def test_the_page_is_up_before_anything_heavy_is_loaded(settings: Settings) -> None:
    command = [sys.executable, "-c", BUILD, str(settings.root)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert built.stdout.strip().splitlines()[-1] == "[]"


def test_a_taken_port_is_said_in_one_line(served: Served, settings: Settings) -> None:
    port = int(served.url.rstrip("/").rsplit(":", 1)[1])
    explorer = Explorer(settings.model_copy(update={"port": port}))
    with pytest.raises(InvalidRequest, match=f"Cannot listen on 127.0.0.1, port {port}"):
        launch(explorer)
    explorer.close()


def test_files_outside_the_workspace_are_not_served(served: Served, settings: Settings) -> None:
    import httpx

    for path in ("/etc/passwd", str(served.explorer.settings.database), str(settings.root)):
        assert httpx.get(f"{served.url}gradio_api/file={path}").status_code == 403


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)])
def test_a_page_that_others_can_reach_says_so(
    host: str, told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    warn_when_open(host, "http://somewhere")
    assert ("Everybody who can reach http://somewhere" in caplog.text) is told
