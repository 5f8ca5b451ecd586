"""PickScore and HPS on tiny networks equal their published code."""

import math
from pathlib import Path

import open_clip
import pytest
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from metrics import Registry, Sample, ScoreOptions, Tier, preference
from metrics.downloads import HubFile
from metrics.preference import Hps, PickScore
from metrics.preference_backbone import HpsSource, PickScoreSource
from tests.metrics.counting import scored
from tests.metrics.hub import own_caches, put
from tests.metrics.tiny_networks import COMMIT, open_clip_network, saved

PROMPT = "a fox in the snow, at dawn"


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own_caches(tmp_path, monkeypatch)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """A picture that is not square."""
    chance = torch.Generator().manual_seed(0)
    small = torch.rand(1, 3, 5, 8, generator=chance)
    pixels = torch.nn.functional.interpolate(small, (60, 96), mode="bicubic").clamp(0, 1)[0]
    path = tmp_path / "wide.png"
    Image.fromarray((pixels.permute(1, 2, 0) * 255).byte().numpy()).save(path)
    return path


def pickscore_files(tmp_path: Path) -> tuple[HubFile, HubFile]:
    """A tiny `CLIPModel` in the Hub's cache, as PickScore is there."""
    torch.manual_seed(0)
    towers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = CLIPTextConfig(
        vocab_size=49408, max_position_embeddings=77, bos_token_id=49406, eos_token_id=49407, **towers
    )
    vision = CLIPVisionConfig(image_size=32, patch_size=16, **towers)
    model = CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)
    )
    model.save_pretrained(tmp_path / "saved")
    first, second = (HubFile("someone/pick", name, COMMIT) for name in ("config.json", "model.safetensors"))
    for file in (first, second):
        put(file, (tmp_path / "saved" / file.name).read_bytes())
    return first, second


def pick_by_hand(folder: Path, path: Path) -> float:
    """As PickScore's page shows, with the processor of a CLIP of transformers."""
    model = CLIPModel.from_pretrained(folder).eval()
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, resample=3
    )
    pixels = processor(images=Image.open(path), return_tensors="pt")["pixel_values"]
    # Padded with the end mark, as the processor of CLIP ViT-H/14 does.
    tokens = open_clip.get_tokenizer("ViT-H-14")([PROMPT])
    tokens[tokens == 0] = 49407
    with torch.no_grad():
        image = model.get_image_features(pixel_values=pixels).pooler_output
        text = model.get_text_features(input_ids=tokens).pooler_output
    return float(model.logit_scale.detach().exp() * torch.nn.functional.cosine_similarity(image, text))


def test_pickscore_parity(tmp_path: Path, wide: Path, scenes: Path, options: ScoreOptions) -> None:
    files = pickscore_files(tmp_path)

    class Tiny(PickScore):
        def source(self, tier: Tier, assets: Path) -> PickScoreSource:
            return PickScoreSource(files)

    chosen = _standard(options, Tiny)
    path = files[0].path()
    assert path is not None
    for picture in (scenes / "red_circle.png", wide):
        (event,) = scored([Sample("a", picture, PROMPT)], ["pickscore"], chosen)
        assert event.score.value == pytest.approx(pick_by_hand(path.parent, picture), rel=1e-4)


def test_hps_parity(tmp_path: Path, scenes: Path, wide: Path, options: ScoreOptions) -> None:
    model = open_clip_network(tmp_path, "tiny-hps", 16)
    file = HubFile("someone/hps", "HPS_v2.1_compressed.pt", COMMIT)
    put(file, saved({"epoch": 1, "state_dict": model.state_dict()}))

    class Tiny(Hps):
        def source(self, tier: Tier, assets: Path) -> HpsSource:
            return HpsSource(file, "tiny-hps")

    for picture in (scenes / "red_circle.png", wide):
        image = Image.open(picture)
        side = max(image.size)
        padded = Image.new("RGB", (side, side))  # the whole picture, on black
        padded.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
        transform = open_clip.image_transform(32, is_train=False)
        with torch.no_grad():
            feature = model.encode_image(transform(padded)[None], normalize=True)
            text = model.encode_text(open_clip.get_tokenizer("tiny-hps")([PROMPT]), normalize=True)
        (event,) = scored([Sample("a", picture, PROMPT)], ["hpsv2"], _standard(options, Tiny))
        # Padding after resizing, as they do it, mixes no black into the picture's edge.
        tolerance = 1e-4 if picture != wide else 2.0
        assert event.score.value == pytest.approx(100 * float(feature @ text.T), rel=1e-4, abs=tolerance)
        assert event.score.detail["cosine"] == pytest.approx((event.score.value or 0) / 100)


def _standard(options: ScoreOptions, metric: type[PickScore | Hps]) -> ScoreOptions:
    from dataclasses import replace

    return replace(options, tier="standard", registry=Registry([metric]))


def test_a_model_that_lacks_weights_is_refused(tmp_path: Path, scenes: Path, options: ScoreOptions) -> None:
    from safetensors.torch import load_file, save

    files = pickscore_files(tmp_path)
    path = files[1].path()
    assert path is not None
    tensors = load_file(path)
    del tensors["text_projection.weight"]
    path.write_bytes(save(tensors, {"format": "pt"}))

    class Tiny(PickScore):
        def source(self, tier: Tier, assets: Path) -> PickScoreSource:
            return PickScoreSource(files)

    (event,) = scored(
        [Sample("a", scenes / "red_circle.png", PROMPT)], ["pickscore"], _standard(options, Tiny)
    )
    assert "it lacks ['text_projection.weight']" in (event.score.reason or "")


def test_code_in_a_file_of_weights_is_not_run(tmp_path: Path, scenes: Path, options: ScoreOptions) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    open_clip_network(tmp_path, "tiny-hps", 16)
    file = HubFile("someone/hps", "HPS_v2.1_compressed.pt", COMMIT)
    put(file, saved({"state_dict": Hostile()}))

    class Tiny(Hps):
        def source(self, tier: Tier, assets: Path) -> HpsSource:
            return HpsSource(file, "tiny-hps")

    (event,) = scored([Sample("a", scenes / "red_circle.png", PROMPT)], ["hpsv2"], _standard(options, Tiny))
    assert "do not load" in (event.score.reason or "")
    assert not (tmp_path / "ran").exists()


def test_no_prompt_is_a_reason(scenes: Path, options: ScoreOptions) -> None:
    for metric, name in ((PickScore, "PickScore"), (Hps, "HPS v2.1")):
        (event,) = scored(
            [Sample("a", scenes / "red_circle.png")], [metric.card.id], _standard(options, metric)
        )
        assert event.score.reason == f"The prompt of this image is not known; give it one to get a {name}."


def test_preference_is_the_softmax_of_two() -> None:
    for first, second in ((21.0, 20.0), (20.0, 20.0), (-5.0, 3.0)):
        wanted = math.exp(first) / (math.exp(first) + math.exp(second))
        assert preference(first, second) == pytest.approx(wanted, rel=1e-9)
    assert preference(1e6, -1e6) == 1.0
    assert preference(-1e6, 1e6) == 0.0
