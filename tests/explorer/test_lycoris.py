"""Adapters merged into weights: the formulas by hand, and the way back to the base."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from explorer.errors import ModelError
from explorer.lycoris import MergedAdapters, adapted, change, needs_merging

LAYER = "lora_unet_down_blocks_0_attentions_0_proj_in"


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def test_loha_is_the_product_of_two_low_rank_weights() -> None:
    parts = {
        "hada_w1_a": noise(6, 2),
        "hada_w1_b": noise(2, 5),
        "hada_w2_a": noise(6, 2) + 1,
        "hada_w2_b": noise(2, 5) - 1,
        "alpha": torch.tensor(1.0),
    }
    wanted = torch.zeros(6, 5)
    for row in range(6):
        for column in range(5):
            first = sum(parts["hada_w1_a"][row, r] * parts["hada_w1_b"][r, column] for r in range(2))
            second = sum(parts["hada_w2_a"][row, r] * parts["hada_w2_b"][r, column] for r in range(2))
            wanted[row, column] = first * second / 2
    assert torch.allclose(change(parts), wanted, atol=1e-6)


def test_lokr_is_a_kronecker_product() -> None:
    first, second = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0.0, 5.0], [6.0, 7.0]])
    wanted = torch.tensor(
        [[0.0, 5, 0, 10], [6, 7, 12, 14], [0, 15, 0, 20], [18, 21, 24, 28]],
    )
    whole = change({"lokr_w1": first, "lokr_w2": second, "alpha": torch.tensor(99.0)})
    assert torch.equal(whole, wanted)  # without a rank, alpha means nothing
    low = {"lokr_w1": first, "lokr_w2_a": torch.eye(2), "lokr_w2_b": second, "alpha": torch.tensor(1.0)}
    assert torch.equal(change(low), wanted / 2)


def test_lokr_of_a_convolution_keeps_the_order_of_its_inputs() -> None:
    first, second = noise(2, 3), noise(4, 5, 3, 3)
    whole = change({"lokr_w1": first, "lokr_w2": second})
    assert whole.shape == (8, 15, 3, 3)
    assert torch.allclose(whole[1 * 4 + 2, 2 * 5 + 3], first[1, 2] * second[2, 3])
    flat = {"lokr_w1": first, "lokr_w2_a": torch.eye(4), "lokr_w2_b": second.flatten(1)}
    assert torch.allclose(change(flat).reshape(8, 15, 3, 3), whole, atol=1e-6)


def test_tucker_convolution() -> None:
    parts = {"lora_up": noise(4, 2, 1, 1), "lora_mid": noise(2, 3, 3, 3), "lora_down": noise(3, 5, 1, 1)}
    down = torch.nn.functional.conv2d(noise(1, 5, 8, 8), parts["lora_down"])
    middle = torch.nn.functional.conv2d(down, parts["lora_mid"])
    up = torch.nn.functional.conv2d(middle, parts["lora_up"])
    direct = torch.nn.functional.conv2d(noise(1, 5, 8, 8), change(parts))
    assert torch.allclose(up, direct, atol=1e-4)


def test_dora_sets_the_length_of_each_row() -> None:
    base, delta = noise(3, 4), noise(4, 3).T
    scale = torch.tensor([[1.0], [2.0], [3.0]])
    changed = adapted(base, {"diff": delta, "dora_scale": scale}, 1.0, "x")
    assert torch.allclose(changed.norm(dim=1), torch.tensor([1.0, 2.0, 3.0]), atol=1e-5)
    half = adapted(base, {"diff": delta, "dora_scale": scale}, 0.5, "x")
    assert torch.allclose(half, (base + changed) / 2, atol=1e-6)
    columns = adapted(base, {"diff": delta, "dora_scale": torch.full((1, 4), 2.0)}, 1.0, "x")
    assert torch.allclose(columns.norm(dim=0), torch.full((4,), 2.0), atol=1e-5)


def tiny_pipe() -> Any:
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=2,
        sample_size=8,
    )
    return SimpleNamespace(unet=unet)


def loha(rank: int, outputs: int, inputs: int) -> dict[str, torch.Tensor]:
    return {
        f"{LAYER}.hada_w1_a": noise(outputs, rank),
        f"{LAYER}.hada_w1_b": noise(rank, inputs),
        f"{LAYER}.hada_w2_a": noise(outputs, rank),
        f"{LAYER}.hada_w2_b": noise(rank, inputs),
        f"{LAYER}.alpha": torch.tensor(2.0),
    }


def test_merging_and_restoring_give_the_base_bit_for_bit(tmp_path: Path) -> None:
    pipe = tiny_pipe()
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    tensors = loha(2, 8, 8) | {"lora_unet_nowhere.diff": noise(2, 2)}
    tensors |= {"lora_unet_conv_in.diff": noise(8, 4, 3, 3), "lora_unet_conv_in.diff_b": torch.ones(8)}
    save_file(tensors, tmp_path / "a.safetensors")
    merged = MergedAdapters(pipe)
    assert merged.merge(tmp_path / "a.safetensors", 0.5) == (2, 3)
    after = pipe.unet.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"down_blocks.0.attentions.0.proj_in.weight", "conv_in.weight", "conv_in.bias"}
    assert torch.allclose(after["conv_in.bias"], before["conv_in.bias"] + 0.5)
    merged.merge(tmp_path / "a.safetensors", 0.25)
    assert torch.allclose(pipe.unet.conv_in.bias, before["conv_in.bias"] + 0.75)
    merged.restore()
    assert all(torch.equal(before[name], value) for name, value in pipe.unet.state_dict().items())
    assert merged.merge(tmp_path / "a.safetensors", 0) == (2, 3)
    assert all(torch.equal(before[name], value) for name, value in pipe.unet.state_dict().items())


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        (loha(2, 7, 8), "does not fit this model"),
        ({f"{LAYER}.diff": torch.full((8, 8), float("nan"))}, "not finite"),
        ({f"{LAYER}.oft_blocks": torch.ones(2, 2)}, "cannot apply"),
        ({f"{LAYER}.hada_w1_a": torch.ones(8, 2)}, "does not fit"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], message: str
) -> None:
    pipe = tiny_pipe()
    before = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    save_file(tensors, tmp_path / "a.safetensors")
    merged = MergedAdapters(pipe)
    with pytest.raises(ModelError, match=message):
        merged.merge(tmp_path / "a.safetensors", 1.0)
    merged.restore()
    assert all(torch.equal(before[name], value) for name, value in pipe.unet.state_dict().items())


def test_which_files_need_merging() -> None:
    assert needs_merging([f"{LAYER}.hada_w1_a"])
    assert needs_merging([f"{LAYER}.lora_mid.weight"])
    assert needs_merging([f"{LAYER}.lora_up.weight", f"{LAYER}.dora_scale"])
    assert not needs_merging([f"{LAYER}.lora_up.weight", f"{LAYER}.lora_down.weight", f"{LAYER}.alpha"])
