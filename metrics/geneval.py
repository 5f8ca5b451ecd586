"""Does a detector find what the prompt asks for? GenEval's rules on boxes.

Its numbers are those of one detector: never the published ones, which are Mask2Former's.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import sqrt
from pathlib import Path
from statistics import fmean, variance
from types import MappingProxyType
from typing import ClassVar

from metrics.base import Metric, MetricCard, Sample, Score, Tier, Unit
from metrics.detection.boxes import Box, Detector, Limits, Sight
from metrics.detection.evidence import evidence
from metrics.detection.nouns import canonical, unknown
from metrics.detection.rules import Verdict, check, kept
from metrics.detection.source import CARDS, MODELS, DetectorModel, DetectorSource
from metrics.detection.unfit import unfit
from metrics.question_sources import scene_for
from metrics.questions import ExpectedObject, Scene
from metrics.vocabulary import refuse_foreign

_NAME = "GenEval-style (RT-DETR, OWLv2)"
_NO_SCENE = (
    "It is not known which objects this prompt asks for; give the prompt a scene in the Prompt Editor or "
    "in its suite."
)
_CITATION = "Ghosh et al. 2023, GenEval, arXiv:2310.11513; its rules, another detector"
_WEAKNESSES = (
    "Not comparable with published GenEval numbers: those are Mask2Former's.",
    "The cuts are the customary ones of each detector, not set against people's judgment.",
    "Detectors and CLIP learned from photographs: they miss things in drawings and new styles.",
    "Knows the 80 nouns of COCO (light, standard), any noun (large) or the drawn world's shapes (bundled).",
)
_CUTS = "; ".join(
    dict.fromkeys(f"{m.name} {m.limits.cut:g} and {m.limits.counting_cut:g}" for m in MODELS.values())
)
_NORMAL_95 = 1.96


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture with what must be on it, what is, what of that counts, and what the rules say."""

    sample: Sample
    scene: Scene
    sight: Sight
    counting: Mapping[str, Sequence[Box]]
    verdict: Verdict


class GenEval(Metric):
    """Whether a picture shows the objects, counts, colours and places that its prompt asks for.

    Reference: Ghosh et al. 2023, GenEval, arXiv:2310.11513.
    """

    detectors: ClassVar[Mapping[Tier, DetectorModel]] = MODELS
    card: ClassVar[MetricCard] = MetricCard(
        id="geneval",
        name=_NAME,
        question="Are the objects there, as many, of the colour and in the place that the prompt asks for?",
        level="image",
        direction="higher",
        range=(0.0, 1.0),
        formula=(
            "1 where every clause of the prompt's scene holds for the detector's boxes, else 0: objects "
            "present, exact counts, colours by CLIP on each crop, directions with a margin of 0.1 x the "
            f"sizes; cuts for presence and for counts: {_CUTS}"
        ),
        needs=("image", "prompt or scene"),
        backbones=CARDS,
        citation=_CITATION,
        weaknesses=_WEAKNESSES,
        status="established",
        version="1",
    )

    def source(self, tier: Tier, assets: Path) -> DetectorSource:
        """The tier's detector."""
        return DetectorSource(self.detectors[tier], assets)

    def text(self, samples: Sequence[Sample]) -> str:
        """The value depends on the scene."""
        return _written(scene_of(samples[0]))

    def refusal(self, samples: Sequence[Sample], source: DetectorSource) -> str | None:
        """No scene, or one that the detector cannot judge."""
        foreign = _foreign(samples, source)
        if foreign:
            return foreign
        return _unfit(scene_of(samples[0]), source)

    def judge(self, units: Sequence[Unit], network: Detector) -> list[Score]:
        """1 or 0 for each picture, with its boxes and what is wrong in detail."""
        seen = _seen([(unit.samples[0], unit.features[0]) for unit in units], network)
        return [row if isinstance(row, Score) else _score(row, network.limits) for row in seen]


class GenEvalOverall(GenEval):
    """A model's GenEval-style score: the unweighted mean of its tasks.

    Reference: Ghosh et al. 2023, GenEval, arXiv:2310.11513.
    """

    card: ClassVar[MetricCard] = replace(
        GenEval.card,
        id="geneval_overall",
        name=f"{_NAME}, mean of tasks",
        question="Over all kinds of tasks alike: how often does the model draw what is asked for?",
        level="model",
        formula=(
            "mean of the tasks (single object, two objects, counting, colours, position, colour binding), "
            "each the share of its right pictures; interval from the spread of prompts within tasks"
        ),
        needs=("images of a model", "prompts or scenes"),
        # An open-vocabulary detector is asked prompt by prompt, so it would hold every picture of a model.
        backbones=MappingProxyType({tier: card for tier, card in CARDS.items() if tier != "large"}),
        weaknesses=(*_WEAKNESSES, "Pictures whose prompt the detector cannot judge are left out."),
    )

    def text(self, samples: Sequence[Sample]) -> str:
        """The value depends on every picture's scene."""
        lines = (f"{sample.image_hash} {sample.prompt} {_written(scene_of(sample))}" for sample in samples)
        return "\n".join(sorted(lines))

    def select(self, units: Sequence[tuple[Sample, ...]]) -> list[tuple[Sample, ...]]:
        """The pictures with a scene, where there are any."""
        chosen = [tuple(sample for sample in unit if scene_of(sample)) for unit in units]
        return [some or unit for some, unit in zip(chosen, units, strict=True)]

    def refusal(self, samples: Sequence[Sample], source: DetectorSource) -> str | None:
        """Not one prompt that the detector can judge, or (bundled) one outside the drawn world."""
        foreign = _foreign(samples, source)
        if foreign:
            return foreign
        reasons = [_unfit(scene, source) for scene in dict.fromkeys(map(scene_of, samples))]
        return reasons[0] if all(reasons) else None

    def judge(self, units: Sequence[Unit], network: Detector) -> list[Score]:
        """The mean of tasks of each model, with the tasks in detail."""
        return [
            _overall(_seen(list(zip(unit.samples, unit.features, strict=True)), network)) for unit in units
        ]


def scene_of(sample: Sample) -> Scene | None:
    """What a picture must show, with every noun by its one name; None: not known."""
    scene = scene_for(sample)
    if scene is None:
        return None
    include, exclude = (tuple(_plain(each) for each in part) for part in (scene.include, scene.exclude))
    return replace(scene, include=include, exclude=exclude)


def _plain(wanted: ExpectedObject) -> ExpectedObject:
    return replace(wanted, name=canonical(wanted.name), colour=wanted.colour.strip().casefold())


def _written(scene: Scene | None) -> str:
    return json.dumps(asdict(scene), sort_keys=True) if scene else ""


def _foreign(samples: Sequence[Sample], source: DetectorSource) -> str | None:
    return refuse_foreign(samples, source.assets, "detector") if source.drawn_world else None


def _seen(pairs: Sequence[tuple[Sample, object]], network: Detector) -> Iterator[Seen | Score]:
    """Each picture with what is on it and what the rules say; or why they say nothing."""
    scenes = [scene_of(sample) for sample, _ in pairs]
    asked = [_nouns(scene) for scene in scenes]
    sights = network.sights([feature for _, feature in pairs], asked)
    for (sample, _), scene, nouns, sight in zip(pairs, scenes, asked, sights, strict=True):
        # Again, now by what the loaded network says of itself.
        reason = unfit(scene, "The detector", network.unknown(nouns), network.palette) if scene else _NO_SCENE
        if scene is None or reason:
            yield Score.unscored(reason or _NO_SCENE)
        else:
            counting = kept(sight.boxes, network.limits, scene.task)
            yield Seen(sample, scene, sight, counting, check(counting, scene))


def _unfit(scene: Scene | None, source: DetectorSource) -> str | None:
    if scene is None:
        return _NO_SCENE
    known = source.model.nouns
    strange = unknown(_nouns(scene), known) if known is not None else []
    return unfit(scene, source.model.name, strange, source.palette)


def _nouns(scene: Scene | None) -> tuple[str, ...]:
    clauses = (*scene.include, *scene.exclude) if scene else ()
    return tuple(dict.fromkeys(clause.name for clause in clauses))


def _score(seen: Seen, limits: Limits) -> Score:
    cut = limits.of(seen.scene.task)
    detail = evidence(seen.scene, seen.sight, seen.counting, seen.verdict)
    return Score.of(float(seen.verdict.right), **detail, cut=cut)


def _overall(seen: Iterator[Seen | Score]) -> Score:
    """The mean of tasks, each the mean over its pictures, as in GenEval's own summary."""
    rights: dict[str, dict[str, list[float]]] = {}
    left_out = 0
    for row in seen:
        if isinstance(row, Score):
            left_out += 1
            continue
        prompts = rights.setdefault(row.scene.task, {})
        prompts.setdefault(row.sample.prompt, []).append(float(row.verdict.right))
    if not rights:
        return Score.unscored("The detector can judge none of these prompts; choose another tier.")
    tasks = {
        task: {
            "right": fmean(right for of_prompt in prompts.values() for right in of_prompt),
            "pictures": sum(map(len, prompts.values())),
            "prompts": len(prompts),
        }
        for task, prompts in rights.items()
    }
    value = fmean(each["right"] for each in tasks.values())
    interval: dict[str, float] = {}
    if all(len(prompts) > 1 for prompts in rights.values()):
        means = [[fmean(of_prompt) for of_prompt in prompts.values()] for prompts in rights.values()]
        spread = sqrt(sum(variance(of_task) / len(of_task) for of_task in means)) / len(means)
        interval = {
            "low": max(0.0, value - _NORMAL_95 * spread),
            "high": min(1.0, value + _NORMAL_95 * spread),
        }
    return Score.of(value, tasks=tasks, not_judged=left_out, **interval)


def geneval_with(model: DetectorModel) -> type[GenEval]:
    """The metric on another detector, such as `metrics.detection.source.GROUNDING_DINO`.

    Its id is its own, because numbers of two detectors are not to be compared. All its
    tiers are the same.
    """
    tiers: tuple[Tier, ...] = ("light", "standard", "large")
    cuts = f"{model.name} {model.limits.cut:g} and {model.limits.counting_cut:g}"
    card = replace(
        GenEval.card,
        id=f"geneval_{model.name.lower().replace('-', '_').replace(' ', '_')}",
        name=f"GenEval-style ({model.name})",
        formula=GenEval.card.formula.replace(_CUTS, cuts),
        backbones=MappingProxyType(dict.fromkeys(tiers, model.card)),
    )
    members = {"card": card, "detectors": MappingProxyType(dict.fromkeys(tiers, model))}
    return type("GenEvalWith", (GenEval,), {**members, "__doc__": GenEval.__doc__})


METRICS = (GenEval, GenEvalOverall)
