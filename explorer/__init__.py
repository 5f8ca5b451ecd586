"""Model Benchmark Explorer: the plain Python API.

Importing this package loads no torch, diffusers or transformers; they come with the
first picture that is drawn.
"""

from metrics.torchvision_shim import install as _install_torchvision_shim

_install_torchvision_shim()

from explorer.api import Explorer
from explorer.errors import (
    AccessRefused,
    Cancelled,
    DiskFull,
    DownloadError,
    ExplorerError,
    InvalidRequest,
    ModelError,
    StorageError,
    SuiteError,
    UnknownName,
)
from explorer.events import Event, Failed, ImageDone, ModelDone, Notice, Progress, Scored
from explorer.requests import AnalyzeRequest, FetchRequest, GenerateRequest, ImageQuery, Sampling
from explorer.settings import Settings
from explorer.types import (
    Checkpoint,
    Image,
    ImagePage,
    Job,
    LeaderboardRow,
    Lora,
    Model,
    ModelFacts,
    ModelFile,
    Prompt,
    Recipe,
    Run,
    ScoreRow,
    Suite,
    WeightedLora,
)

__all__ = [
    "AccessRefused",
    "AnalyzeRequest",
    "Cancelled",
    "Checkpoint",
    "DiskFull",
    "DownloadError",
    "Event",
    "Explorer",
    "ExplorerError",
    "Failed",
    "FetchRequest",
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
    "ModelDone",
    "ModelError",
    "ModelFacts",
    "ModelFile",
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
