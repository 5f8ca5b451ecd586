"""CLIP's tokenizer without a download, made from the merges that open_clip brings along.

Every Stable Diffusion of the first generations reads prompts with these 49,408 tokens. The
published tokenizer files are 3.6 MB; the same content is in a package the program needs
anyway.
"""

import gzip
from pathlib import Path
from typing import Any

from explorer.errors import ModelError

_MERGES = 48_894
"""How many lines of the file CLIP was trained with; the rest was never used."""
_START, _END = "<|startoftext|>", "<|endoftext|>"
_FIRST_PAD = "!"
"""The token with number 0, which open_clip's text encoders are padded with."""


def build_clip_tokenizer(*, pad_with_zero: bool = False) -> Any:
    """A `CLIPTokenizer` equal to the published one.

    Args:
        pad_with_zero: Pad as OpenCLIP's encoders were trained (SD 2, the second encoder of
            SDXL) instead of with the end token.

    Raises:
        ModelError: The package with the merges is not whole.
    """
    from transformers import CLIPTokenizer

    merges = _merges()
    characters = _byte_characters()
    pieces = [*characters, *(f"{c}</w>" for c in characters), *(a + b for a, b in merges), _START, _END]
    tokenizer = CLIPTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, merges=merges, model_max_length=77
    )
    if pad_with_zero:
        tokenizer.pad_token = _FIRST_PAD
    return tokenizer


def _merges() -> list[tuple[str, str]]:
    from importlib.util import find_spec

    # The package itself is heavy to import and not needed for its file.
    spec = find_spec("open_clip")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    file = next((Path(f) / "bpe_simple_vocab_16e6.txt.gz" for f in folders), None)
    if file is None or not file.is_file():
        raise ModelError("The package open_clip is not whole; install the requirements again.")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        text = lines.read().split("\n")
    pairs = (line.split() for line in text[1 : _MERGES + 1])
    return [(first, second) for first, second in pairs]


def _byte_characters() -> list[str]:
    """One printable character for each of the 256 bytes, in the order of CLIP's vocabulary."""
    printable = [
        *range(ord("!"), ord("~") + 1),
        *range(ord("¡"), ord("¬") + 1),
        *range(ord("®"), ord("ÿ") + 1),
    ]
    rest = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(rest))]
