"""Model Benchmark Explorer: the plain Python API.

Importing this package loads no torch, diffusers or transformers; they come with the
first picture that is drawn.
"""

from metrics.torchvision_shim import install as _install_torchvision_shim

_install_torchvision_shim()

from explorer.api import Explorer
from explorer.batches import Batch
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
from explorer.estimates import Preview
from explorer.events import Event, Failed, ImageDone, ModelDone, Notice, Progress, Scored
from explorer.requests import (
    AnalyzeRequest,
    FetchRequest,
    GenerateRequest,
    ImageQuery,
    ImportRequest,
    Sampling,
)
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
    "Batch",
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
    "ImportRequest",
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
    "Preview",
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
