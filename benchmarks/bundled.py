"""Loading every bundled network, against importing the libraries that they need.

A process of its own for each side: `python -m benchmarks.bundled all|libraries` prints its
seconds and its largest memory in megabytes.
"""

import resource
import sys
import time
from pathlib import Path

from benchmarks.measure import Comparison, alternate, own_process
from explorer import Settings


def bundled_networks() -> Comparison:
    """Seconds until all networks are in memory over those until the libraries are."""
    ours, other = alternate(lambda: _side("all"), lambda: _side("libraries"), rounds=3)
    return Comparison("all bundled networks, against their libraries alone", ours, other, bound=1.6)


def _side(name: str) -> float:
    seconds, megabytes = own_process("benchmarks.bundled", name)
    if megabytes > 1500:
        raise RuntimeError(f"{name}: {megabytes:.0f} MB of memory, more than the 1,500 that were promised")
    return seconds


def load_libraries() -> None:
    """Import what the networks are made of."""
    import metrics  # noqa: F401  first: it prepares torchvision for the libraries below

    # isort: split
    import diffusers
    import lpips  # noqa: F401
    import open_clip  # noqa: F401
    import transformers

    assert diffusers.StableDiffusionXLPipeline
    assert diffusers.StableDiffusionPipeline
    assert transformers.BlipForQuestionAnswering
    assert transformers.RTDetrForObjectDetection
    assert transformers.DINOv3ViTModel
    assert transformers.DINOv3ConvNextModel


def load_networks(assets: Path) -> list[object]:
    """Every bundled network in float32, the way the program loads each."""
    load_libraries()
    import lpips
    import open_clip
    from diffusers import DiffusionPipeline
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoModelForObjectDetection, BlipForQuestionAnswering

    folders = sorted((assets / "models").iterdir())
    networks: list[object] = [DiffusionPipeline.from_pretrained(folder) for folder in folders]
    networks.append(open_clip.create_model_and_transforms(f"local-dir:{assets / 'clip'}"))
    distance = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    distance.load_state_dict(load_file(assets / "lpips" / "alexnet.safetensors"), strict=False)
    networks.append(distance)
    networks.append(BlipForQuestionAnswering.from_pretrained(assets / "vqa"))
    networks.append(AutoModelForObjectDetection.from_pretrained(assets / "detector"))
    networks += [AutoModel.from_pretrained(assets / f"dinov3-{kind}") for kind in ("vit", "convnext")]
    return networks


if __name__ == "__main__":
    began = time.perf_counter()
    kept = load_networks(Settings().assets) if sys.argv[1] == "all" else load_libraries()
    taken = time.perf_counter() - began
    print(taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
