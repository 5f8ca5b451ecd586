import hashlib
from pathlib import Path

import pytest

from explorer.checkpoints import content_hash, native_size, read_checkpoint, read_lora
from explorer.errors import InvalidRequest
from explorer.facts import ModelFacts
from explorer.types import Checkpoint
from tests.fakes import PROJECT, copy_checkpoint
from tests.model_files import FLUX, SD15, SD15_LORA, SDXL, write_model

BASE = PROJECT / "assets" / "models" / "shapes-base"


def test_a_folder_and_a_file(tmp_path: Path) -> None:
    folder = read_checkpoint(BASE)
    assert (folder.name, folder.family, folder.layout) == ("shapes-base", "sd15", "diffusers")
    file = read_checkpoint(write_model(tmp_path / "mine.safetensors", SDXL))
    assert (file.name, file.family, file.layout) == ("mine", "sdxl", "single_file")
    assert file.size_bytes == (tmp_path / "mine.safetensors").stat().st_size
    alone = read_checkpoint(write_model(tmp_path / "flux.safetensors", FLUX))
    assert (alone.family, alone.layout) == ("flux", "transformer_only")
    assert alone.facts.missing_names == ("CLIP-L text encoder", "T5-XXL text encoder", "VAE")


def test_a_path_that_holds_no_checkpoint_says_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="is not a model: a diffusers folder"):
        read_checkpoint(tmp_path)
    with pytest.raises(InvalidRequest, match="There is no model at"):
        read_checkpoint(tmp_path / "gone.safetensors")
    with pytest.raises(InvalidRequest, match=r"style\.safetensors is a LoRA, not a checkpoint"):
        read_checkpoint(write_model(tmp_path / "style.safetensors", SD15_LORA))
    with pytest.raises(InvalidRequest, match=r"base\.safetensors is a checkpoint, not a LoRA"):
        read_lora(write_model(tmp_path / "base.safetensors", SD15))
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02")
    with pytest.raises(InvalidRequest, match="can run code"):
        read_checkpoint(tmp_path / "model.ckpt")
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(InvalidRequest, match="is not a model this program can read"):
        read_checkpoint(tmp_path / "notes.txt")


def test_a_lora_by_its_path(tmp_path: Path) -> None:
    lora = read_lora(write_model(tmp_path / "style.safetensors", SD15_LORA))
    assert (lora.name, lora.family, lora.facts.rank) == ("style", "sd15", 8)
    assert lora.to_dict()["lora_kind"] == "lora"


def test_the_native_size(tmp_path: Path) -> None:
    assert native_size(read_checkpoint(BASE)) == (128, 128)
    assert native_size(read_checkpoint(write_model(tmp_path / "a.safetensors", SD15))) == (512, 512)
    assert native_size(read_checkpoint(write_model(tmp_path / "b.safetensors", SDXL))) == (1024, 1024)
    told = {"modelspec.resolution": "128x192"}
    path = write_model(tmp_path / "c.safetensors", SD15, metadata=told)
    assert native_size(read_checkpoint(path)) == (128, 192)
    unknown = Checkpoint("x", tmp_path, "unknown", "single_file", 1)
    assert native_size(unknown) == (512, 512)


def test_the_hash_follows_contents_not_names(tmp_path: Path) -> None:
    def file_hash(path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    copy = copy_checkpoint(BASE, tmp_path / "renamed")
    original = content_hash(read_checkpoint(BASE), file_hash)
    assert content_hash(read_checkpoint(copy), file_hash) == original
    other = read_checkpoint(BASE.with_name("shapes-early"))
    assert content_hash(other, file_hash) != original
    config = copy / "unet" / "config.json"
    config.write_text(config.read_text() + " ")
    assert content_hash(read_checkpoint(copy), file_hash) != original


def test_facts_do_not_make_a_checkpoint_another_one() -> None:
    plain = Checkpoint("x", Path("x"), "sd15", "single_file", 1)
    known = Checkpoint("x", Path("x"), "sd15", "single_file", 1, facts=ModelFacts(title="X"))
    assert plain == known
    assert hash(plain) == hash(known)
    assert hash(known.facts)
