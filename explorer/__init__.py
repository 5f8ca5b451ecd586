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
from explorer.events import Event, Failed, ImageDone, Notice, Progress, Scored
from explorer.requests import AnalyzeRequest, GenerateRequest, ImageQuery, Sampling
from explorer.settings import Settings
from explorer.types import (
    Checkpoint,
    Image,
    ImagePage,
    Job,
    LeaderboardRow,
    Lora,
    Model,
    Prompt,
    Recipe,
    Run,
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
