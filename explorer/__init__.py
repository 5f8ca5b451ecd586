"""Model Benchmark Explorer: the plain Python API.

Importing this package loads no torch, diffusers or transformers; they come with the
first picture that is drawn.
"""

from metrics.torchvision_shim import install as _install_torchvision_shim

_install_torchvision_shim()

from explorer.api import Explorer
from explorer.errors import (
    Cancelled,
    DiskFull,
    ExplorerError,
    InvalidRequest,
    ModelError,
    StorageError,
    SuiteError,
    UnknownName,
)
from explorer.settings import Settings
from explorer.types import (
    AnalyzeRequest,
    Checkpoint,
    Event,
    Failed,
    GenerateRequest,
    Image,
    ImageDone,
    ImagePage,
    ImageQuery,
    Job,
    LeaderboardRow,
    Lora,
    Model,
    Notice,
    Progress,
    Prompt,
    Recipe,
    Run,
    Sampling,
    Scored,
    ScoreRow,
    Suite,
    WeightedLora,
)

__all__ = [
    "AnalyzeRequest",
    "Cancelled",
    "Checkpoint",
    "DiskFull",
    "Event",
    "Explorer",
    "ExplorerError",
    "Failed",
    "GenerateRequest",
    "Image",
    "ImageDone",
    "ImagePage",
    "ImageQuery",
    "InvalidRequest",
    "Job",
    "LeaderboardRow",
    "Lora",
    "Model",
    "ModelError",
    "Notice",
    "Progress",
    "Prompt",
    "Recipe",
    "Run",
    "Sampling",
    "ScoreRow",
    "Scored",
    "Settings",
    "StorageError",
    "Suite",
    "SuiteError",
    "UnknownName",
    "WeightedLora",
]
