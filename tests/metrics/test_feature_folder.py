"""Features as files: whole, exact, within the limit."""

import os
import threading
from pathlib import Path

import pytest
import torch

from metrics import FeatureKey, FolderFeatures
from metrics.base import FeatureForm


def key(number: int) -> FeatureKey:
    return FeatureKey(f"image {number}", "net", "rev", "pre", "kind")


def test_what_is_put_comes_back_for_the_same_key_only(tmp_path: Path) -> None:
    folder = FolderFeatures(tmp_path / "f")
    folder.put_many({key(1): b"one", key(2): b""})
    assert folder.get_many([key(1), key(2), key(3)]) == {key(1): b"one", key(2): b""}
    assert FolderFeatures(tmp_path / "f").get_many([key(1)]) == {key(1): b"one"}
    folder.clear()
    assert folder.get_many([key(1)]) == {}
    assert folder.size_bytes == 0


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    folder = FolderFeatures(tmp_path, max_bytes=10_000)
    for number in range(9):
        folder.put_many({key(number): bytes(1_000)})
        for file in tmp_path.glob("??/*"):
            facts = file.stat()  # clocks of file systems are coarse
            os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns - 10_000_000))
    folder.get_many([key(0)])
    folder.put_many({key(9): bytes(1_000)})
    found = folder.get_many([key(number) for number in range(10)])
    assert folder.size_bytes <= 10_000
    assert key(0) in found
    assert key(9) in found
    assert key(1) not in found


def test_one_larger_than_the_limit_is_not_kept(tmp_path: Path) -> None:
    folder = FolderFeatures(tmp_path, max_bytes=100)
    folder.put_many({key(1): bytes(101)})
    assert folder.get_many([key(1)]) == {}
    with pytest.raises(ValueError, match="at least 0"):
        FolderFeatures(tmp_path, max_bytes=-1)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_counts_as_absent(tmp_path: Path, damage: str) -> None:
    folder = FolderFeatures(tmp_path)
    folder.put_many({key(1): b"some content"})
    (file,) = tmp_path.glob("??/*")
    content = file.read_bytes()
    spoilt = {"cut": content[:-3], "flipped": content[:-1] + b"!", "empty": b""}[damage]
    file.write_bytes(spoilt)
    assert folder.get_many([key(1)]) == {}
    folder.put_many({key(1): b"some content"})
    assert folder.get_many([key(1)]) == {key(1): b"some content"}


def test_no_room_on_the_disk_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    folder = FolderFeatures(tmp_path / "file")
    folder.put_many({key(1): b"x"})
    assert folder.get_many([key(1)]) == {}


def test_threads_share_a_folder(tmp_path: Path) -> None:
    def work() -> None:
        folder = FolderFeatures(tmp_path, max_bytes=50_000)
        for number in range(100):
            folder.put_many({key(number): bytes([number]) * 1_000})
            found = folder.get_many([key(number)])
            assert found in ({}, {key(number): bytes([number]) * 1_000})
            done.append(number)

    done: list[int] = []
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 400


@pytest.mark.parametrize(
    ("form", "feature"),
    [
        (FeatureForm("a", "float32"), torch.tensor([1.5, -2.0])),
        (FeatureForm("b", "float16"), torch.tensor([1.5, 6e-8]).half()),
        (FeatureForm("c", "uint8", (3, 2, 2)), torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)),
    ],
)
def test_features_are_kept_bit_for_bit(form: FeatureForm, feature: torch.Tensor) -> None:
    again = form.unpack(form.pack(feature))
    assert again.dtype == feature.dtype
    assert torch.equal(again, feature)
