import json
import struct
from pathlib import Path

import pytest

from explorer.checkpoints import (
    ModelLibrary,
    content_hash,
    native_size,
    read_checkpoint,
    read_header,
    scan_checkpoints,
    single_file_family,
)
from explorer.errors import InvalidRequest, UnknownName
from tests.fakes import PROJECT, build_tiny_lora, copy_checkpoint

SD15_KEYS = {
    "model.diffusion_model.input_blocks.0.0.weight",
    "cond_stage_model.transformer.text_model.final_layer_norm.weight",
}


def safetensors(path: Path, names: set[str]) -> Path:
    header = {
        n: {"dtype": "F32", "shape": [1], "data_offsets": [4 * i, 4 * i + 4]} for i, n in enumerate(names)
    }
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4 * len(names)))
    return path


def library(folder: Path, loras: Path | None = None) -> ModelLibrary:
    return ModelLibrary((folder,), (loras or folder / "none",), PROJECT / "assets" / "models")


def test_the_bundled_checkpoints_are_found() -> None:
    found = {c.name: c for c in library(Path("nowhere")).checkpoints()}
    assert {"shapes-base", "shapes-early"} <= set(found)
    assert found["shapes-base"].bundled
    assert found["shapes-base"].family == "sd15"
    assert native_size(found["shapes-base"]) == (128, 128)


def test_scanning_reads_folders_and_files_and_passes_over_the_rest(tiny_models: Path, tmp_path: Path) -> None:
    copy_checkpoint(tiny_models / "tiny-a", tmp_path / "nested" / "deep" / "mine")
    safetensors(tmp_path / "single.safetensors", SD15_KEYS)
    safetensors(tmp_path / "lora.safetensors", {"lora_unet_x.lora_down.weight"})
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "pickled.ckpt").write_bytes(b"\x80\x02")
    (tmp_path / "broken.safetensors").write_bytes(b"not a model")
    found = {c.name: c.layout for c in scan_checkpoints(tmp_path)}
    assert found == {"mine": "diffusers", "single": "single_file"}


def test_two_checkpoints_of_one_name_get_names_of_their_own(tiny_models: Path, tmp_path: Path) -> None:
    copy_checkpoint(tiny_models / "tiny-a", tmp_path / "x" / "same")
    copy_checkpoint(tiny_models / "tiny-b", tmp_path / "y" / "same")
    assert [c.name for c in library(tmp_path).checkpoints()][:2] == ["same", "same (2)"]


def test_a_reference_with_loras(tiny_models: Path, tmp_path: Path) -> None:
    build_tiny_lora(tiny_models / "tiny-a", tmp_path / "style.safetensors")
    models = library(tiny_models, tmp_path)
    model = models.resolve("tiny-a+style:0.5+style")
    assert [(w.lora.name, w.weight) for w in model.loras] == [("style", 0.5), ("style", 1.0)]
    assert model.name == "tiny-a+style:0.5+style:1"
    assert models.resolve(str(tiny_models / "tiny-b")).name == "tiny-b"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("tiny-c", r"Unknown model 'tiny-c'\. Did you mean tiny-a or tiny-b\?"),
        ("TINY-A", r"Did you mean tiny-a"),
        ("tiny-a+nothing:1", "Unknown LoRA 'nothing'. There is no LoRA yet."),
        ("tiny-a+nothing:strong", "'strong' is not a number"),
        ("tiny-a+nothing:99", "out of range"),
        ("./nowhere", "There is no model at ./nowhere"),
        ("", "Unknown model ''"),
    ],
)
def test_unknown_references_say_what_is_near(tiny_models: Path, reference: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        library(tiny_models).resolve(reference)


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not a model: a diffusers folder"):
        read_checkpoint(tmp_path)
    (tmp_path / "model_index.json").write_text("[1, 2]")
    with pytest.raises(InvalidRequest, match="is not a model"):
        read_checkpoint(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02")
    with pytest.raises(InvalidRequest, match="can run code"):
        read_checkpoint(tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        struct.pack("<Q", 2**62) + b"{}",
        struct.pack("<Q", 4) + b"nope",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"a": {}}',
        struct.pack("<Q", 2) + b"{}trailing",
        b"\x80\x02}q\x00." * 20,
        b"<!DOCTYPE html><html>log in</html>",
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(data)
    with pytest.raises(InvalidRequest, match=r"x\.safetensors is damaged or no \.safetensors file"):
        read_header(tmp_path / "x.safetensors")


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    path = safetensors(tmp_path / "x.safetensors", SD15_KEYS)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InvalidRequest, match="damaged"):
        read_checkpoint(path)


def test_families_by_tensor_names() -> None:
    sdxl = {"model.diffusion_model.input_blocks.0.0.weight", "conditioner.embedders.1.model.ln_final.weight"}
    assert single_file_family(SD15_KEYS) == "sd15"
    assert single_file_family(sdxl) == "sdxl"
    assert single_file_family({"lora_unet_x.lora_down.weight"}) == "unknown"


def test_the_hash_follows_contents_not_names(tiny_models: Path, tmp_path: Path) -> None:
    import hashlib

    def file_hash(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    copy = copy_checkpoint(tiny_models / "tiny-a", tmp_path / "renamed")
    original = content_hash(read_checkpoint(tiny_models / "tiny-a"), file_hash)
    assert content_hash(read_checkpoint(copy), file_hash) == original
    assert content_hash(read_checkpoint(tiny_models / "tiny-b"), file_hash) != original
    config = copy / "unet" / "config.json"
    config.write_text(config.read_text() + " ")
    assert content_hash(read_checkpoint(copy), file_hash) != original


def test_unknown_name_is_an_invalid_request() -> None:
    assert issubclass(UnknownName, InvalidRequest)
