"""What is in memory when, and how work ends early."""

import gc
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from PIL import Image

from metrics import (
    BackboneCard,
    MemoryCache,
    Metric,
    Progress,
    Registry,
    Sample,
    Score,
    Scored,
    ScoreOptions,
    Stopped,
    score,
)
from metrics.backbones import chain, waves
from metrics.base import BackboneSource, Unit
from metrics.images import hash_file
from tests.metrics.brightness import CARD, GreySource, grey_registry, write_greys
from tests.metrics.counting import scored, values


@dataclass(frozen=True)
class SizedSource(GreySource):
    """A source of a given size, perhaps on another one."""

    name: str = "a"
    parameters: int = 1
    below: BackboneSource | None = None

    @property
    def card(self) -> BackboneCard:  # type: ignore[override]
        return replace(CARD.backbones["bundled"], id=self.name, parameters=self.parameters)

    @property
    def base(self) -> BackboneSource | None:
        return self.below


def test_waves_hold_what_memory_bears() -> None:
    big, small, huge = (SizedSource(name=n, parameters=p) for n, p in (("b", 60), ("s", 30), ("h", 500)))
    head = SizedSource(name="head", parameters=1, below=big)
    assert waves([big, small, huge, head], most=100) == [[big, head, small], [huge]]
    assert waves([head], most=100) == [[big, head]]
    assert waves([big, small, huge], most=10) == [[big], [small], [huge]]
    assert chain(head) == [big, head]


def test_waves_free_their_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.runner.waves", lambda sources: waves(sources, 1))
    alive: list[weakref.ref[Any]] = []
    most: list[int] = []

    @dataclass(frozen=True)
    class Watched(SizedSource):
        def load(self, device: str) -> Any:
            gc.collect()
            network = super().load(device)
            self.loaded.clear()
            alive.append(weakref.ref(network))
            most.append(sum(ref() is not None for ref in alive))
            return network

    registry = Registry(
        [_metric(n, Watched(name=n, parameters=5, loaded=[])) for n in ("one", "two", "three")]
    )
    samples = write_greys(tmp_path, [10, 20])
    found = scored(samples, ["one", "two", "three"], ScoreOptions(device="cpu", registry=registry))
    assert [event.score.value for event in found] == [10, 20] * 3
    assert most == [1, 1, 1]


def _metric(name: str, source: BackboneSource) -> type[Metric]:
    class Value(Metric):
        card = replace(CARD, id=name, name=name)

        def source(self, tier: str, assets: Path) -> BackboneSource:
            return source

        def judge(self, units: Sequence[Unit], network: Any) -> list[Score]:
            return [Score.of(unit.features[0]) for unit in units]

    return Value


def test_a_network_on_another_reads_its_features(tmp_path: Path) -> None:
    below = SizedSource(name="below")

    class Double:
        def encode(self, prepared: Sequence[float]) -> list[float]:
            return [2 * value for value in prepared]

    @dataclass(frozen=True)
    class Above(SizedSource):
        def load(self, device: str) -> Any:
            return Double()

    registry = Registry([_metric("plain", below), _metric("twice", Above(name="above", below=below))])
    samples = write_greys(tmp_path, [10, 20])
    options = ScoreOptions(device="cpu", registry=registry)
    assert set(values(scored(samples, ["twice"], options)).values()) == {20, 40}
    both = values(scored(samples, ["twice", "plain"], options))
    assert sorted(value or 0 for value in both.values()) == [10, 20, 20, 40]
    assert [network.decoded for network in below.loaded] == [2, 2]


def test_groups_are_judged_as_soon_as_they_are_complete(tmp_path: Path) -> None:
    alive: list[int] = []
    features: list[weakref.ref[Any]] = []

    class Feature:
        def __init__(self, value: float) -> None:
            self.value = value

    class Heavy:
        view = "heavy"

        def prepare(self, image: Image.Image) -> float:
            return float(image.getpixel((0, 0))[0])  # type: ignore[index]

        def encode(self, prepared: Sequence[float]) -> list[Feature]:
            found = [Feature(value) for value in prepared]
            features.extend(weakref.ref(feature) for feature in found)
            alive.append(sum(ref() is not None for ref in features))
            return found

    @dataclass(frozen=True)
    class HeavySource(SizedSource):
        def load(self, device: str) -> Any:
            return Heavy()

    class Spread(Metric):
        card = replace(CARD, id="spread", level="prompt")
        least: ClassVar[int] = 2

        def source(self, tier: str, assets: Path) -> BackboneSource:
            return HeavySource(name="heavy")

        def judge(self, units: Sequence[Unit], network: Any) -> list[Score]:
            return [Score.of(u.features[1].value - u.features[0].value) for u in units]

    # Seed by seed, as a folder may list them: the prompts' pictures are far apart.
    samples = write_greys(tmp_path, range(0, 80, 2))
    shuffled = samples[::2] + samples[1::2]
    options = ScoreOptions(device="cpu", registry=Registry([Spread]), batch_size=4)
    found = scored(shuffled, ["spread"], options)
    assert [event.score.value for event in found] == [2.0] * 20
    assert max(alive) <= 8


def test_stopping_takes_one_layer(tmp_path: Path) -> None:
    stop = [False]
    layers: list[int] = []

    class Layer(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            layers.append(1)
            stop[0] = len(layers) == 3
            return x

    class Deep:
        view = "deep"

        def __init__(self) -> None:
            self.module = torch.nn.Sequential(*(Layer() for _ in range(10)))

        def prepare(self, image: Image.Image) -> torch.Tensor:
            return torch.zeros(1)

        def encode(self, prepared: Sequence[torch.Tensor]) -> list[float]:
            return self.module(torch.stack(list(prepared))).flatten().tolist()  # type: ignore[no-any-return]

    @dataclass(frozen=True)
    class DeepSource(SizedSource):
        made: list[Deep] = field(default_factory=list, compare=False)

        def load(self, device: str) -> Any:
            self.made.append(Deep())
            return self.made[-1]

    source = DeepSource(name="deep")
    options = ScoreOptions(
        device="cpu",
        registry=Registry([_metric("deep", source)]),
        cancel=lambda: stop[0],
        cache=MemoryCache(),
    )
    events = list(score(write_greys(tmp_path, [10, 20]), ["deep"], options))
    assert events[-1] == Stopped(0, 2)
    assert len(layers) == 3
    stop[0] = False
    source.made[-1].encode([torch.zeros(1)])  # the hooks are gone: it runs to its end
    assert len(layers) == 13


def test_time_left_falls(tmp_path: Path) -> None:
    options = ScoreOptions(device="cpu", registry=grey_registry(GreySource()), batch_size=2)
    events = score(write_greys(tmp_path, range(0, 100, 10)), ["brightness", "spread"], options)
    told = [event for event in events if isinstance(event, Progress)]
    assert told[0].seconds_left is None
    assert all(event.seconds_left is not None and event.seconds_left >= 0 for event in told[2:])
    assert told[-1].seconds_left == 0


def test_blank_pictures_are_marked(tmp_path: Path) -> None:
    samples = write_greys(tmp_path, [0, 128])
    noise = torch.randint(0, 256, (64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    path = tmp_path / "noise.png"
    Image.fromarray(noise.numpy()).save(path)
    found = scored(
        [*samples, Sample("noise", path, prompt="prompt 0", model="m")],
        ["brightness", "spread"],
        ScoreOptions(device="cpu", registry=grey_registry(GreySource())),
    )
    blank = {
        event.sample.key: event.score.detail.get("blank") for event in found if event.metric == "brightness"
    }
    assert blank == {samples[0].key: "black", samples[1].key: "uniform", "noise": None}
    (group,) = (event for event in found if event.metric == "spread")
    assert group.score.detail["blank_images"] == {
        hash_file(samples[0].path): "black",
        hash_file(samples[1].path): "uniform",
    }


def test_copies_in_two_models_are_judged_for_each(tmp_path: Path) -> None:
    samples = [replace(sample, prompt="p") for sample in write_greys(tmp_path, [10, 30])]
    twins = [replace(sample, key=f"twin {sample.key}", model="n") for sample in samples]
    options = ScoreOptions(device="cpu", registry=grey_registry(GreySource()))
    found = scored([*samples, *twins], ["spread"], options)
    assert [(event.sample.model, event.score.value) for event in found] == [("m", 20.0), ("n", 20.0)]
    assert all(isinstance(event, Scored) for event in found)
