"""Old pickled models become safetensors: their tensors only, and nothing of theirs is run."""

import os
import pickle  # noqa: TID251  to write what must never be read
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import DiskFull, InvalidRequest
from explorer.library import ModelLibrary
from explorer.pickles import convert_pickle, tensors_only
from explorer.recognition.reader import read_model


class Payload:
    """Unpickled by a careless loader, it would leave a file behind."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.mark}",)


def test_a_checkpoint_is_converted(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import load_file

    shared = torch.arange(4.0)
    state = {"a.b": torch.ones(2, 3, dtype=torch.float16), "tied": shared, "too": shared, "n": 5, "text": "x"}
    torch.save({"state_dict": state, "epoch": 3, "optimizer": {"x": torch.ones(1)}}, tmp_path / "old.ckpt")
    library = ModelLibrary((tmp_path,), tmp_path / "none")
    (old,) = library.files()
    assert "Convert it to .safetensors" in old.facts.problem
    new = library.convert(old.id)
    assert new.path == tmp_path / "old.safetensors"
    loaded = load_file(new.path)
    assert set(loaded) == {"a.b", "tied", "too"}
    assert torch.equal(loaded["a.b"], state["a.b"])
    assert torch.equal(loaded["too"], shared)
    assert (tmp_path / "old.ckpt").exists()
    with pytest.raises(InvalidRequest, match=r"There is a old\.safetensors already"):
        library.convert(old.id)


def test_an_old_embedding_gets_the_name_others_use(tmp_path: Path) -> None:
    import torch

    torch.save({"string_to_param": {"*": torch.ones(2, 768)}, "name": "zork"}, tmp_path / "zork.pt")
    assert tensors_only(tmp_path / "zork.pt", tmp_path / "zork.safetensors") == {"tensors": 1}
    found = read_model(tmp_path / "zork.safetensors")[1]
    assert (found.kind, found.family) == ("embedding", "sd15")


def evil_zip(folder: Path) -> Path:
    import torch

    torch.save({"state_dict": {"a": torch.ones(2), "b": Payload(folder / "ran")}}, folder / "x.ckpt")
    return folder / "x.ckpt"


def evil_plain(folder: Path) -> Path:
    (folder / "x.pt").write_bytes(pickle.dumps(Payload(folder / "ran"), protocol=2))
    return folder / "x.pt"


def cut(folder: Path) -> Path:
    import torch

    torch.save({"a": torch.ones(100)}, folder / "x.bin")
    (folder / "x.bin").write_bytes((folder / "x.bin").read_bytes()[:700])
    return folder / "x.bin"


def stretched(folder: Path) -> Path:
    import torch

    torch.save({"a": torch.zeros(1).expand(10**11)}, folder / "x.bin")
    return folder / "x.bin"


def zip_bomb(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "x.ckpt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(60_000_000))
    return folder / "x.ckpt"


def page(folder: Path) -> Path:
    (folder / "x.ckpt").write_text("<html>log in</html>")
    return folder / "x.ckpt"


def no_tensors(folder: Path) -> Path:
    import torch

    torch.save({"a": 1, "b": ["x"]}, folder / "x.pt")
    return folder / "x.pt"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "x.ckpt")
    return folder / "x.ckpt"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (evil_zip, "holds more than tensors"),
        (zip_bomb, "would unpack to"),
        (page, "is no pickled model, whatever its name says"),
        (pipe, "is no ordinary file"),
        (lambda folder: folder / "gone.ckpt", "cannot be read"),
        (lambda folder: folder / "x.txt", "is no pickled model: only"),
    ],
)
def test_what_is_refused(make: Callable[[Path], Path], reason: str, tmp_path: Path) -> None:
    source = make(tmp_path)
    with pytest.raises(InvalidRequest, match=reason) as told:
        convert_pickle(source)
    assert str(told.value).startswith(source.name)
    assert str(tmp_path) not in str(told.value)
    assert not (tmp_path / "ran").exists()
    assert [path for path in tmp_path.iterdir() if path != source] == []


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (evil_zip, "holds more than tensors (posix.system)"),
        (evil_plain, "holds more than tensors"),
        (cut, "cut short, damaged or no pickled model"),
        (stretched, "claims more numbers than it holds"),
        (no_tensors, "holds no tensors"),
    ],
)
def test_what_the_process_of_its_own_refuses(
    make: Callable[[Path], Path], reason: str, tmp_path: Path
) -> None:
    source = make(tmp_path)
    assert reason in tensors_only(source, tmp_path / "out.safetensors")["error"]
    assert [path for path in tmp_path.iterdir() if path != source] == []


def test_a_full_disk_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from types import SimpleNamespace

    (tmp_path / "x.ckpt").write_bytes(b"\x80\x02}.")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.raises(DiskFull, match=r"Converting x\.ckpt needs"):
        convert_pickle(tmp_path / "x.ckpt")
