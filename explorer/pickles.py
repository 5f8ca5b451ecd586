"""Turns an old pickled model (.ckpt, .pt, .pth, .bin) into safetensors without running its code.

A process of its own reads the file with torch's restricted unpickler, which knows tensors and
plain containers only, and is bounded in time and in what it may write. Tensors are all that is kept.

    python -m explorer.pickles SOURCE TARGET      prints one line of JSON
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.errors import DiskFull, InvalidRequest
from explorer.recognition.headers import file_label, open_regular, read_header
from explorer.recognition.reader import PICKLED

SECONDS = 120.0
SECONDS_PER_GB = 60.0
SLACK_BYTES = 16_000_000
PROJECT = Path(__file__).resolve().parent.parent


def is_pickled(path: Path) -> bool:
    """Whether a file is, by its name, a pickled model that can be converted."""
    return path.suffix.lower() in PICKLED


def convert_pickle(source: Path, target: Path | None = None) -> Path:
    """Write the tensors of a pickled model as a .safetensors file; the source stays.

    Args:
        source: The pickled file.
        target: Where to write; the source's name with the other ending when not given.

    Returns:
        The new file.

    Raises:
        InvalidRequest: It is no pickled model, holds more than tensors, or the target is there.
        DiskFull: There is no room for the copy.
    """
    target = target or source.with_suffix(".safetensors")
    label = file_label(source)
    if not is_pickled(source):
        raise InvalidRequest(f"{label} is no pickled model: only .ckpt, .pt, .pth and .bin are converted.")
    if target.exists():
        raise InvalidRequest(f"There is a {file_label(target)} already. Remove or rename it first.")
    try:
        with os.fdopen(open_regular(source), "rb") as file:
            start = file.read(2)
        size = source.stat().st_size
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise InvalidRequest(f"{label} cannot be read: {error.strerror}.") from error
    if start != b"PK" and start[:1] != b"\x80":
        raise InvalidRequest(f"{label} is no pickled model, whatever its name says. Download it again.")
    if free < size + SLACK_BYTES:
        raise DiskFull(f"Converting {label} needs {size / 1e9:,.1f} GB of free disk space.")
    _check_archive(source, size, label)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        _run(source, temporary, size)
        read_header(temporary)
        temporary.rename(target)
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _check_archive(source: Path, size: int, label: str) -> None:
    """Refuse archives that would unpack to more than they are: torch stores, it never compresses."""
    if not zipfile.is_zipfile(source):
        return
    try:
        with zipfile.ZipFile(source) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InvalidRequest(f"{label} is a damaged archive. Download it again.") from error
    if unpacked > size + SLACK_BYTES:
        raise InvalidRequest(
            f"{label} would unpack to {unpacked / 1e9:,.1f} GB, which no real model does. It was not opened."
        )


def _run(source: Path, target: Path, size: int) -> None:
    label = file_label(source)
    line = [sys.executable, "-m", "explorer.pickles", str(source.absolute()), str(target.absolute())]
    try:
        done = subprocess.run(  # noqa: S603  the program itself, with two paths
            line,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=SECONDS + SECONDS_PER_GB * size / 1e9,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidRequest(f"{label} took too long to convert and was given up.") from None
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        answer = {"error": "could not be read: it is damaged, or needs more memory than there is."}
    if "error" in answer:
        raise InvalidRequest(f"{label} {answer['error']} Nothing of it was run.")


def tensors_only(source: Path, target: Path) -> dict[str, Any]:
    """In the process of its own: load, keep the tensors, write them.

    Returns:
        How many `tensors`, or the `error` that continues a sentence begun with the file's name.
    """
    import pickle  # noqa: TID251  for the name of the error only

    import torch
    from safetensors.torch import save_file

    size = source.stat().st_size
    try:
        loaded = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        return {"error": _refusal(str(error))}
    except Exception:
        return {"error": "could not be read: it is cut short, damaged or no pickled model."}
    tensors = dict(_tensors(loaded))
    if not tensors:
        return {"error": "holds no tensors."}
    if sum(t.numel() * t.element_size() for t in tensors.values()) > size + SLACK_BYTES:
        return {"error": "claims more numbers than it holds."}
    # Tensors that share memory are written each on its own, as safetensors wants it.
    own = {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}
    try:
        save_file(own, target, metadata={"format": "pt", "converted_from": source.name[:200]})
    except (OSError, ValueError, RuntimeError):
        return {"error": "could not be written."}
    return {"tensors": len(own)}


def _refusal(text: str) -> str:
    """What the restricted unpickler met, in words."""
    import re

    found = re.search(r"(?:GLOBAL|Unsupported global:|class|operand) *(?:GLOBAL )?([\w.]+)", text)
    what = f" ({found.group(1)[:80]})" if found and "." in found.group(1) else ""
    return f"holds more than tensors{what}, which could be program code, and is refused."


def _tensors(loaded: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The tensors of a checkpoint, named as in its state dict."""
    import torch

    if not isinstance(loaded, Mapping) or depth > 4:
        return
    for inner in ("state_dict", "string_to_param", "params_ema", "model_state_dict"):
        if depth == 0 and isinstance(loaded.get(inner), Mapping):
            # A textual inversion keeps its vectors under the name "*".
            names = {"*": "emb_params"} if inner == "string_to_param" else {}
            yield from ((names.get(n, n), t) for n, t in _tensors(loaded[inner], depth=1))
            return
    for name, value in loaded.items():
        if isinstance(value, torch.Tensor) and not value.is_sparse:
            yield f"{prefix}{name}", value
        elif isinstance(value, Mapping):
            yield from _tensors(value, f"{prefix}{name}.", depth + 1)


def _limit_writing(limit: int) -> None:
    """No file that this process writes may grow beyond `limit` bytes."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # not on Windows

        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


if __name__ == "__main__":
    _limit_writing(Path(sys.argv[1]).stat().st_size + SLACK_BYTES)
    print(json.dumps(tensors_only(Path(sys.argv[1]), Path(sys.argv[2]))))
