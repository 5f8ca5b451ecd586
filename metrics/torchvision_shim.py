"""Lets torchvision be imported beside a torch build its compiled operators do not match.

A CPU build of torch is often paired with the only torchvision wheel there is, whose
operators were compiled for another build. Importing it then fails with "operator
torchvision::nms does not exist", and with it lpips, open_clip, torchmetrics, timm, peft
and large parts of transformers and diffusers. Declaring the signatures of the missing
operators is enough: none of those packages calls them for what we do.

`install` is called by `metrics/__init__.py` and `explorer/__init__.py`, so every process
that uses either package passes through here, also worker processes. It costs nothing
until somebody imports torchvision, never imports torch by itself, and does nothing where
torchvision's own operators load.
"""

import importlib.machinery
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any


class TorchvisionFinder(MetaPathFinder):
    """Watches for the first import of torchvision and prepares the operators for it.

    It finds no module itself: after the preparation the ordinary finders go on.
    """

    def __init__(self) -> None:
        """Start unprepared; nothing is imported yet."""
        # The Library object must outlive this call, or torch drops what it declared.
        self._library: Any = None
        self._prepared = False

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        """Prepare the operators when `torchvision` is looked up for the first time."""
        if fullname == "torchvision" and not self._prepared:
            self._prepared = True
            spec = importlib.machinery.PathFinder.find_spec("torchvision")
            if spec is not None and spec.submodule_search_locations:
                self._prepare(Path(spec.submodule_search_locations[0]))
        return None

    def _prepare(self, package: Path) -> None:
        import torch

        # torch gives these two no types.
        load_library: Any = torch.ops.load_library
        library: Any = torch.library.Library
        for compiled in sorted(package.glob("_C*.so")) + sorted(package.glob("_C*.pyd")):
            try:
                load_library(str(compiled))
            except OSError:
                continue
            return  # torchvision matches this torch: nothing to declare
        # FRAGMENT, not DEF: only one DEF per namespace may exist in a process.
        self._library = library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            self._library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def install() -> None:
    """Put the finder in front of the others, once a process."""
    if not any(isinstance(finder, TorchvisionFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, TorchvisionFinder())
