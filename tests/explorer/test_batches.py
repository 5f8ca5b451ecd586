from dataclasses import fields
from pathlib import Path

import pytest

from explorer.batches import Batch, _PlanFile, parse_batch, read_batch, write_batch
from explorer.errors import InvalidRequest
from explorer.requests import AnalyzeRequest, GenerateRequest, Sampling

PLAN = """
format: 1
name: Overnight
models:
  - shapes-base
  - model: shapes-early
    loras: [outline:0.5, [outline:1, other:0.3], []]
suites: [shapes, general]
seeds: 4
settings: own
sampling: {steps: 30, guidance: 2}
metrics: clip_score
"""


def test_a_plan_is_models_with_their_lora_sets_times_suites() -> None:
    batch = parse_batch(PLAN)
    first, second = batch.requests
    assert first.models == (
        "shapes-base",
        "shapes-early+outline:0.5",
        "shapes-early+outline:1+other:0.3",
        "shapes-early",
    )
    assert (first.suite, second.suite) == ("shapes", "general")
    assert second.models == first.models
    assert (first.seeds, first.settings) == (4, "own")
    assert first.sampling == Sampling(steps=30, guidance=2.0)
    assert batch.scoring == AnalyzeRequest(("clip_score",), "bundled")


@pytest.mark.parametrize(
    "batch",
    [
        Batch(GenerateRequest(("a+b:0.5",), suite="shapes"), ("general", "stress")),
        Batch(
            GenerateRequest(
                ("a",),
                prompts=("a: b", "ü", "- x", "12", "yes"),
                seeds=1,
                first_seed=7,
                sampling=Sampling("Euler", 3, 1.5, 64, 128, 2, True, True),
                negative="bad",
                batch_size=2,
                settings="own",
                trigger_words=True,
            ),
            (),
            AnalyzeRequest((), "large", answerer="gemini", most_requests=50, most_dollars=1.5),
        ),
        Batch(GenerateRequest(("a", "b"), suite="s", categories=("c", "d"))),
    ],
)
def test_what_is_written_is_read_as_the_same(batch: Batch) -> None:
    assert parse_batch(write_batch(batch)) == batch


def test_every_field_of_the_requests_can_be_planned() -> None:
    of_a_plan = set(_PlanFile.model_fields)
    asked = {field.name for cls in (GenerateRequest, AnalyzeRequest) for field in fields(cls)}
    assert asked - of_a_plan == {"suite", "run", "folder"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a plan"),
        ("- a", "not a plan"),
        ("format: 1\nmodels: [a\nsuites: b", "line 3: not valid YAML"),
        ("format: 2\nmodels: a\nsuites: b", "format: Input should be 1"),
        ("format: 1\nsuites: b", "models: Field required"),
        ("format: 1\nmodels: []\nsuites: b", "models: Value should have at least 1 item"),
        ("format: 1\nmodels: a\nsuites: b\nsteps: 4", "steps: Extra inputs are not permitted"),
        ("format: 1\nmodels: a\nsuites: b\nseeds: many", "seeds: Input should be a valid integer"),
        ("format: 1\nmodels: a\nsuites: b\ntier: huge", "tier: Input should be 'bundled'"),
        ("format: 1\nmodels: a", "either `suites` or `prompts`"),
        ("format: 1\nmodels: a\nsuites: b\nprompts: c", "either `suites` or `prompts`"),
        ("format: 1\nmodels: a\nsuites: [b, c]\ncategories: d", "belong to one suite"),
        ("format: 1\nmodels: a\nsuites: !!python/object/apply:os.system ['x']", "not valid YAML"),
        ("&a [*a]", "not a plan"),
        ("{" * 5000, "not valid YAML"),
        ("format: 1\nmodels: [{model: a}]\nsuites: b", "models.0.loras: Field required"),
        (
            "format: 1\nmodels: a\nsuites: b\nsampling: {step: 3}",
            "sampling.step: Unexpected keyword argument",
        ),
    ],
)
def test_what_is_no_plan_is_said_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as error:
        parse_batch(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    with pytest.raises(InvalidRequest, match="Cannot read the plan"):
        read_batch(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidRequest, match="not UTF-8"):
        read_batch(path)
    path.write_bytes(b" " * 5_000_001)
    with pytest.raises(InvalidRequest, match="not a plan"):
        read_batch(path)
    path.write_text(PLAN)
    assert len(read_batch(path).requests) == 2
