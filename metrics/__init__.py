"""Measures images: metrics with cards, scores with reasons, one runner.

Works alone on a folder of images; see `metrics.score`. Importing it loads no network library.
"""

from metrics.answerers.answer_file import AnswerFile
from metrics.answerers.base import AnswererSource
from metrics.answerers.catalog import NAMED as NAMED_ANSWERERS
from metrics.answerers.catalog import (
    Whereabouts,
    answerer_id,
    answerer_kind,
    counted_as,
    find_answerer,
    is_folder,
)
from metrics.answerers.remote import RemoteSource
from metrics.answerers.remote import Session as AnsweringSession
from metrics.answerers.spending import Budget, Estimate, Price, Spending, estimate
from metrics.base import (
    BackboneCard,
    Direction,
    Level,
    Metric,
    MetricCard,
    Sample,
    Score,
    Status,
    Tier,
)
from metrics.cache import CacheKey, FeatureCache, FeatureKey, MemoryCache, ScoreCache
from metrics.errors import (
    BadImage,
    DeviceUnavailable,
    DuplicateMetric,
    Interrupted,
    MetricsError,
    MissingKey,
    MissingWeights,
    NoReply,
    UnknownAnswerer,
    UnknownMetric,
)
from metrics.events import (
    BackboneLoading,
    Downloading,
    MetricEvent,
    Progress,
    Scored,
    ScoreRecipe,
    Stopped,
)
from metrics.feature_folder import FolderFeatures
from metrics.images import PICTURE_SUFFIXES, blank_kind
from metrics.object_integrity import AttentionStructure, attention_structure
from metrics.preference import preference
from metrics.question_sources import (
    UNNAMED_WRITER,
    MemoryQuestions,
    QuestionSet,
    QuestionStore,
    prompt_key,
    questions_for,
    questions_hash,
    scene_for,
)
from metrics.question_writer import BadReply, write_questions
from metrics.questions import RELATIONS as SCENE_RELATIONS
from metrics.questions import SKILLS as QUESTION_SKILLS
from metrics.questions import TASKS as SCENE_TASKS
from metrics.questions import YES_NO, ExpectedObject, Question, Scene
from metrics.questions import complaint as question_complaint
from metrics.reference_building import build_set
from metrics.reference_sets import SUFFIX as REFERENCE_SUFFIX
from metrics.reference_sets import read_recipe as read_reference_recipe
from metrics.registry import Registry, create_metric, get_card, list_metrics
from metrics.runner import ScoreOptions, score, score_folder
from metrics.supply import needed_downloads
from metrics.torchvision_shim import install as _install_torchvision_shim
from metrics.vqa import AnswerMetric

__all__ = [
    "NAMED_ANSWERERS",
    "PICTURE_SUFFIXES",
    "QUESTION_SKILLS",
    "REFERENCE_SUFFIX",
    "SCENE_RELATIONS",
    "SCENE_TASKS",
    "UNNAMED_WRITER",
    "YES_NO",
    "AnswerFile",
    "AnswerMetric",
    "AnswererSource",
    "AnsweringSession",
    "AttentionStructure",
    "BackboneCard",
    "BackboneLoading",
    "BadImage",
    "BadReply",
    "Budget",
    "CacheKey",
    "DeviceUnavailable",
    "Direction",
    "Downloading",
    "DuplicateMetric",
    "Estimate",
    "ExpectedObject",
    "FeatureCache",
    "FeatureKey",
    "FolderFeatures",
    "Interrupted",
    "Level",
    "MemoryCache",
    "MemoryQuestions",
    "Metric",
    "MetricCard",
    "MetricEvent",
    "MetricsError",
    "MissingKey",
    "MissingWeights",
    "NoReply",
    "Price",
    "Progress",
    "Question",
    "QuestionSet",
    "QuestionStore",
    "Registry",
    "RemoteSource",
    "Sample",
    "Scene",
    "Score",
    "ScoreCache",
    "ScoreOptions",
    "ScoreRecipe",
    "Scored",
    "Spending",
    "Status",
    "Stopped",
    "Tier",
    "UnknownAnswerer",
    "UnknownMetric",
    "Whereabouts",
    "answerer_id",
    "answerer_kind",
    "attention_structure",
    "blank_kind",
    "build_set",
    "counted_as",
    "create_metric",
    "estimate",
    "find_answerer",
    "get_card",
    "is_folder",
    "list_metrics",
    "needed_downloads",
    "preference",
    "prompt_key",
    "question_complaint",
    "questions_for",
    "questions_hash",
    "read_reference_recipe",
    "scene_for",
    "score",
    "score_folder",
    "write_questions",
]

_install_torchvision_shim()
