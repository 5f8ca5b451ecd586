"""Sets of good pictures: which there are, and which may be read."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from explorer import AnalyzeRequest, Explorer, InvalidRequest, Settings
from explorer.reference_choices import check_reference, reference_choices
from metrics.reference_sets import SetRecipe, summed_up, write_set


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(root=tmp_path / "workspace", device="cpu", offline=True)
    for name in ("good/a/1.png", "good/2.png", ".hidden/3.png"):
        path = settings.references / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(path)
    (settings.references / "empty").mkdir()
    (settings.references / "notes.txt").write_text("no set")
    (settings.references / "broken.safetensors").write_bytes(b"no set either")
    rows = np.random.default_rng(1).normal(size=(60, 4))
    recipe = SetRecipe("photographs", "some-network", "r", "p", 64, 60)
    write_set(settings.references / "kept.safetensors", recipe, summed_up(rows))
    made = settings.pictures / "shoot"
    made.mkdir(parents=True)
    Image.new("RGB", (8, 8), "blue").save(made / "1.png")
    return settings


def test_folders_and_stored_sets_are_found_by_name(settings: Settings) -> None:
    found = {each.name: (each.pictures, each.made_with) for each in reference_choices(settings)}
    assert found == {
        "references/good": (2, ""),
        "references/kept.safetensors": (60, "some-network"),
        "pictures": (1, ""),
        "pictures/shoot": (1, ""),
    }


def test_without_any_the_list_is_empty(tmp_path: Path) -> None:
    assert reference_choices(Settings(root=tmp_path / "new")) == []


def test_a_name_or_a_path_of_ones_own_is_taken(settings: Settings, tmp_path: Path) -> None:
    good = (settings.references / "good").resolve()
    assert check_reference("references/good", settings) == good
    assert check_reference(str(good), settings) == good
    assert check_reference(str(tmp_path), settings) == tmp_path.resolve()


@pytest.mark.parametrize("wanted", ["nothing", "../references/good", "", "/nowhere/at/all"])
def test_what_is_not_there_is_refused_with_what_is(settings: Settings, wanted: str) -> None:
    with pytest.raises(InvalidRequest, match=r"references/good, references/kept\.safetensors"):
        check_reference(wanted, settings)


def test_where_others_reach_the_page_only_the_workspace_is_read(settings: Settings, tmp_path: Path) -> None:
    shared = settings.model_copy(update={"host": "0.0.0.0"})
    (settings.references / "link").symlink_to(tmp_path)
    good = (settings.references / "good").resolve()
    assert check_reference("references/good", shared) == check_reference(str(good), shared) == good
    for wanted in (str(tmp_path), "references/link", str(settings.references / "link")):
        with pytest.raises(InvalidRequest, match="There is no reference set"):
            check_reference(wanted, shared)


def test_the_queue_takes_names_and_refuses_the_rest(explorer: Explorer) -> None:
    good = explorer.settings.references / "good"
    job = explorer.queue.submit(AnalyzeRequest(("batch_quality",), reference="references/good"))
    stored = explorer.queue.request(job.id)
    assert isinstance(stored, AnalyzeRequest)
    assert stored.reference == str(good.resolve())
    assert explorer.queue.request(explorer.queue.submit(stored).id) == stored, "once more, as stored"
    with pytest.raises(InvalidRequest, match="There is no reference set"):
        explorer.queue.submit(AnalyzeRequest(("batch_quality",), reference="/nowhere"))
