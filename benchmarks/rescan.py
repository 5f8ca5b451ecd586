"""A thousand model files looked through again after a restart, against the first time."""

import json
import os
import struct
import tempfile
from pathlib import Path

from benchmarks.measure import Comparison, seconds
from explorer.database import open_database
from explorer.library import ModelLibrary
from explorer.model_store import ModelStore

FILES, LAYERS, PROMISED_SECONDS = 1000, 264, 5.0


def rescan() -> Comparison:
    """Wall time of the second scan over the first; the second must also stay below 5 seconds."""
    with tempfile.TemporaryDirectory() as root:
        models = Path(root) / "models"
        for number in range(FILES):
            _write_lora(models / f"folder {number % 20}" / f"style {number}.safetensors", number)
        first = seconds(lambda: _scan(Path(root)))
        second = min(seconds(lambda: _scan(Path(root))) for _ in range(3))
    if second > PROMISED_SECONDS:
        raise RuntimeError(f"scanning {FILES} known files took {second:.1f} s")
    return Comparison(f"{FILES} model files again, against the first scan", second, first, bound=0.1)


def _scan(root: Path) -> None:
    engine, _ = open_database(root / "explorer.db")
    library = ModelLibrary((root / "models",), root / "nothing", ModelStore(engine))
    if len(library.loras()) != FILES:
        raise RuntimeError("a LoRA was not recognised")
    engine.dispose()


def _write_lora(path: Path, number: int) -> None:
    """A LoRA for SDXL as kohya writes it: as many layers as the real ones, and no weights."""
    header: dict[str, object] = {"__metadata__": {"ss_output_name": f"style {number}"}}
    end = 0
    for layer in range(LAYERS):
        name = f"lora_unet_input_blocks_4_1_transformer_blocks_{layer}_attn2_to_k"
        for part, shape in (("lora_down", (8, 2048)), ("lora_up", (640, 8))):
            begin, end = end, end + shape[0] * shape[1] * 2
            entry = {"dtype": "F16", "shape": shape, "data_offsets": (begin, end)}
            header[f"{name}.{part}.weight"] = entry
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    os.truncate(path, 8 + len(text) + end)  # sparse: the disk holds the header only
    (path.with_suffix(".civitai.info")).write_text(json.dumps({"trainedWords": [f"word {number}"]}))
