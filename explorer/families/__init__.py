"""Model families: `adapter(family)` gives what is particular about one."""

from explorer.families.base import FamilyAdapter, Recommended
from explorer.families.flux import CHROMA, FLUX, FLUX2
from explorer.families.pixart_sana import PIXART, SANA
from explorer.families.qwenimage import QWENIMAGE
from explorer.families.sd3 import SD3
from explorer.families.stable_diffusion import SD2, SD15, SDXL
from explorer.families.zimage import ZIMAGE
from explorer.types import Family

__all__ = ["ADAPTERS", "FamilyAdapter", "Recommended", "adapter", "family_of_pipeline"]

ADAPTERS = (SD15, SD2, SDXL, SD3, FLUX, FLUX2, CHROMA, ZIMAGE, QWENIMAGE, SANA, PIXART)


def adapter(family: Family) -> FamilyAdapter | None:
    """The adapter of a family; None when the program cannot draw with it."""
    return next((each for each in ADAPTERS if each.family == family), None)


def family_of_pipeline(class_name: str) -> Family:
    """The family of a pipeline class, as a `model_index.json` names it.

    Stable Diffusion 1.5 and 2 share a class; it counts as 1.5 here.
    """
    return next((each.family for each in ADAPTERS if class_name in each.pipelines), "unknown")
