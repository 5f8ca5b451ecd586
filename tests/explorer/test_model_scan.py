"""Where models are looked for: the folders of other tools, and nothing else of theirs."""

from pathlib import Path

from explorer.model_scan import Found, look_again, walk
from tests.model_files import SD15, VAE, write_model


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def found(*roots: Path) -> dict[str, str]:
    there = walk(roots)
    return {f.path.relative_to(roots[0].resolve()).as_posix(): f.hint for f in there}


def test_an_a1111_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "models/Stable-diffusion/sub/base.safetensors",
        "models/Lora/people/one.safetensors",
        "models/LyCORIS/two.safetensors",
        "models/VAE/soft.vae.pt",
        "models/ControlNet/canny.pth",
        "models/ESRGAN/4x.pth",
        "models/Codeformer/codeformer.pth",
        "embeddings/bad-hands.pt",
        "extensions/x/model.safetensors",
        "venv/lib/torch.bin",
        "outputs/picture.safetensors",
        "webui.py",
    )
    assert found(tmp_path) == {
        "embeddings/bad-hands.pt": "embedding",
        "models/ControlNet/canny.pth": "controlnet",
        "models/Lora/people/one.safetensors": "lora",
        "models/LyCORIS/two.safetensors": "lora",
        "models/Stable-diffusion/sub/base.safetensors": "checkpoint",
        "models/VAE/soft.vae.pt": "vae",
    }


def test_a_comfyui_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "models/checkpoints/a.safetensors",
        "models/diffusion_models/b.safetensors",
        "models/unet/c.gguf",
        "models/loras/d.safetensors",
        "models/vae/e.safetensors",
        "models/text_encoders/f.safetensors",
        "models/clip/g.safetensors",
        "models/clip_vision/h.safetensors",
        "models/upscale_models/i.pth",
        "custom_nodes/pack/j.safetensors",
        "output/k.safetensors",
    )
    assert found(tmp_path) == {
        "models/checkpoints/a.safetensors": "checkpoint",
        "models/clip/g.safetensors": "text_encoder",
        "models/diffusion_models/b.safetensors": "checkpoint",
        "models/loras/d.safetensors": "lora",
        "models/text_encoders/f.safetensors": "text_encoder",
        "models/unet/c.gguf": "checkpoint",
        "models/vae/e.safetensors": "vae",
    }


def test_the_named_folder_itself_may_be_any_of_these(tmp_path: Path) -> None:
    touch(tmp_path, "loras/input/one.safetensors", "loras/a/b/output/two.safetensors")
    assert found(tmp_path / "loras") == {"a/b/output/two.safetensors": "lora"}
    assert list(walk((tmp_path / "gone",))) == []


def test_folders_within_folders_count_once(tmp_path: Path) -> None:
    touch(tmp_path, "loras/one.safetensors")
    assert len(list(walk((tmp_path, tmp_path / "loras", tmp_path)))) == 1


def test_very_deep_folders_end(tmp_path: Path) -> None:
    touch(tmp_path, "/".join("d" * 20) + "/deep.safetensors", "d/d/near.safetensors")
    assert [f.path.name for f in walk((tmp_path,))] == ["near.safetensors"]


def test_names_that_say_nothing_give_way_to_the_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "my-style/pytorch_lora_weights.safetensors",
        "flux-krea/diffusion_pytorch_model.fp16.safetensors",
        "big/diffusion_pytorch_model-00001-of-00003.safetensors",
        "big/diffusion_pytorch_model-00002-of-00003.safetensors",
        "plain.v1.safetensors",
    )
    assert [f.stem for f in walk((tmp_path,))] == ["big", "flux-krea", "my-style", "plain.v1"]


def one(root: Path) -> Found:
    (found,) = walk((root,))
    return found


def test_the_signature_changes_with_the_file_and_what_lies_beside_it(tmp_path: Path) -> None:
    write_model(tmp_path / "x.safetensors", VAE)
    first = one(tmp_path)
    assert one(tmp_path) == first == look_again(first)
    touch(tmp_path, "x.json", "y.json")
    second = one(tmp_path)
    assert second.signature != first.signature
    assert second.beside == (tmp_path / "x.json",)
    (tmp_path / "x.json").write_text("{ }")
    assert one(tmp_path).signature != second.signature
    write_model(tmp_path / "x.safetensors", SD15)
    again = look_again(second)
    assert again is not None
    assert again.signature != second.signature
    (tmp_path / "x.safetensors").unlink()
    assert look_again(second) is None


def test_the_signature_of_a_folder_changes_with_any_of_its_files(tmp_path: Path) -> None:
    touch(tmp_path, "m/model_index.json", "m/unet/config.json", "m/unet/w.safetensors", "m/vae/w.safetensors")
    first = one(tmp_path)
    assert (first.path.name, first.hint) == ("m", "checkpoint")
    assert look_again(first) == first
    (tmp_path / "m" / "unet" / "config.json").write_text("{}")
    assert one(tmp_path).signature != first.signature
