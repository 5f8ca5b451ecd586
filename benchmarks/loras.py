"""LoRAs: switching a weight against loading the base again; a plan of eight against bare drawing.

python -m benchmarks.loras plan|by-hand     one side of the plan; prints seconds
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks.by_hand import SEEDS, STEPS, load_base
from benchmarks.measure import Comparison, alternate, own_process, seconds
from explorer import Explorer, GenerateRequest, Sampling, Settings
from explorer.types import Model

LORAS, GUIDANCE = 8, 1.5
PROMPTS = tuple(f"a {color} circle on a white background" for color in ("red", "green", "blue", "yellow"))


def switching() -> Comparison:
    """Seconds of a new LoRA weight over those of loading the checkpoint."""
    with _explorer() as (explorer, names):
        weights = tuple(f"{names[0]}:{weight}" for weight in (0.5, 1.0))
        models = list(explorer.plan(_request(weights, PROMPTS[:1])).models)

        def switch() -> float:
            _borrow(explorer, models[0])  # a load has left the LoRA unloaded
            models.append(models.pop(0))
            return seconds(lambda: _borrow(explorer, models[0]))

        def load() -> float:
            explorer.pipelines.release()
            return seconds(lambda: _borrow(explorer, replace(models[0], loras=())))

        ours, other = alternate(switch, load, rounds=5)
    return Comparison("another LoRA weight, against loading the base", ours, other, bound=0.05)


def plan_of_eight() -> Comparison:
    """Wall time of a plan of eight LoRAs over the sum of the bare drawing times."""
    ours, other = alternate(lambda: _side("plan"), lambda: _side("by-hand"), rounds=3)
    return Comparison("8 LoRAs on one base, against bare drawing", ours, other, bound=1.15)


def _side(name: str) -> float:
    return own_process("benchmarks.loras", name)[0]


def _borrow(explorer: Explorer, model: Model) -> None:
    with explorer.pipelines.borrow(model):
        pass


def _request(models: tuple[str, ...], prompts: tuple[str, ...]) -> GenerateRequest:
    sampling = Sampling(sampler="DDIM", steps=STEPS, guidance=GUIDANCE)
    return GenerateRequest(models=models, prompts=prompts, seeds=SEEDS, sampling=sampling, batch_size=SEEDS)


@contextmanager
def _explorer() -> Iterator[tuple[Explorer, list[str]]]:
    """An Explorer with eight LoRAs for shapes-base, and the models' names."""
    with tempfile.TemporaryDirectory() as root:
        settings = Settings(root=Path(root), device="cpu", offline=True)
        # In a process of their own: torch used on this thread as well would slow the compute thread.
        own_process("benchmarks.loras", f"write {root}")
        explorer = Explorer(settings)
        yield explorer, [f"shapes-base+style{number}" for number in range(LORAS)]
        explorer.close()


def _write_loras(settings: Settings) -> None:
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig, get_peft_model_state_dict

    base = settings.assets / "models" / "shapes-base"
    unet = UNet2DConditionModel.from_pretrained(base, subfolder="unet")
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    layers = get_peft_model_state_dict(unet)
    settings.loras.mkdir(parents=True, exist_ok=True)
    for number in range(LORAS):
        torch.manual_seed(number)
        noise = {name: torch.randn_like(tensor) * 0.02 for name, tensor in layers.items()}
        StableDiffusionPipeline.save_lora_weights(
            settings.loras, unet_lora_layers=noise, weight_name=f"style{number}.safetensors"
        )


def plan() -> float:
    """Seconds of our plan, after a first picture has loaded the base."""
    with _explorer() as (explorer, names):
        list(explorer.generate(_request(("shapes-base",), ("a pink star",))))
        return seconds(lambda: list(explorer.generate(_request(tuple(names), PROMPTS))))


def by_hand() -> float:
    """Seconds that the pipeline itself draws, loading of LoRAs left out, summed over the LoRAs."""
    bare, total = load_base(GUIDANCE), 0.0
    with tempfile.TemporaryDirectory() as root:
        settings = Settings(root=Path(root))
        _write_loras(settings)
        bare.draw("a pink star")
        for number in range(LORAS):
            bare.pipe.load_lora_weights(str(settings.loras), weight_name=f"style{number}.safetensors")
            total += seconds(lambda: [bare.draw(text) for text in PROMPTS])
            bare.pipe.unload_lora_weights()
    return total


def main(side: str) -> None:
    """Print the seconds of one side, or write the LoRAs into a workspace."""
    if side.startswith("write "):
        _write_loras(Settings(root=Path(side.removeprefix("write "))))
    else:
        print(plan() if side == "plan" else by_hand())


if __name__ == "__main__":
    main(sys.argv[1])
