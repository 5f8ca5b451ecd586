from dataclasses import replace
from pathlib import Path

import pytest

from explorer import Explorer, GenerateRequest, InvalidRequest, Sampling, Settings
from explorer.library import ModelLibrary
from explorer.plans import Planner
from explorer.suites import SuiteLibrary
from explorer.types import Recipe
from tests.fakes import copy_checkpoint, write_suite
from tests.model_files import SD15, SD15_LORA, write_model

REQUEST = GenerateRequest(models=("tiny-a", "tiny-b"), suite="tiny", seeds=2)


def keys(explorer: Explorer, request: GenerateRequest) -> set[str]:
    return {cell.key for cell in explorer.plan(request).cells}


def test_a_plan_is_models_times_prompts_times_seeds_model_outermost(explorer: Explorer) -> None:
    cells = explorer.plan(REQUEST).cells
    assert [(c.recipe.model, c.recipe.prompt_id, c.recipe.seed) for c in cells] == [
        (model, prompt, seed) for model in ("tiny-a", "tiny-b") for prompt in ("p0", "p1") for seed in (0, 1)
    ]
    assert len({cell.key for cell in cells}) == 8
    assert explorer.plan_size(REQUEST) == 8


def test_a_larger_request_holds_the_smaller_ones_cells(explorer: Explorer) -> None:
    small = keys(explorer, replace(REQUEST, models=("tiny-b",), seeds=1))
    assert small < keys(explorer, REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"sampling": Sampling(steps=21)},
        {"sampling": Sampling(guidance=6)},
        {"sampling": Sampling(sampler="Euler")},
        {"sampling": Sampling(width=72)},
        {"negative": "blurry"},
        {"first_seed": 10},
    ],
)
def test_whatever_changes_the_picture_changes_every_key(
    explorer: Explorer, change: dict[str, object]
) -> None:
    assert not keys(explorer, REQUEST) & keys(explorer, replace(REQUEST, **change))  # type: ignore[arg-type]


def test_what_changes_no_picture_changes_no_key(explorer: Explorer) -> None:
    same = replace(REQUEST, batch_size=1, sampling=Sampling(width=64, height=64, guidance=5))
    assert keys(explorer, same) == keys(explorer, REQUEST)


def test_weights_per_block_count_where_there_are_any_and_old_keys_stay(
    tmp_path: Path, settings: Settings
) -> None:
    write_model(tmp_path / "checkpoints" / "photo.safetensors", SD15)
    write_model(tmp_path / "loras" / "old.safetensors", SD15_LORA)
    library = ModelLibrary((tmp_path,), tmp_path / "nothing")
    suites = SuiteLibrary(settings.prompts, settings.suites)
    planner = Planner(library, suites, lambda path: path.stem[0] * 64)
    sampling = Sampling(sampler="DDIM", steps=3, guidance=4.0, width=64, height=64)

    def planned(model: str) -> Recipe:
        request = GenerateRequest(models=(model,), prompts=("a red circle",), seeds=1, sampling=sampling)
        (cell,) = planner.plan(request).cells
        return cell.recipe

    # Keys as the program made them before there were weights per block.
    known = {
        "photo": "1b48620c89c069ebe23188d8fa8f10e55ec83c2dca7cb123710c3a5d64ea9ee5",
        "photo+old": "990b2c8eeb3cdc600cfddc7033738fda8439f217b48a077bda030f8b16a9ddfd",
        "photo+old:0.8": "ac3b59d166d4203255bd2e6bed2fe3c5debd5b6729e4528e27565f29619f6b38",
        "photo+old:0.8[down=1,text=1]": "ac3b59d166d4203255bd2e6bed2fe3c5debd5b6729e4528e27565f29619f6b38",
        "photo+old:0.8+old:-1": "6191f6822885e4ef06395208d5eb4f4899ab01ea5c9a4a88a7584031c19ff69e",
    }
    assert {name: planned(name).cell for name in known} == known
    assert {planned(name).lora_blocks for name in known} == {()}
    changed = ("[down=0.5]", "[up=0.5]", "[down=0.25]", "[down=0.5,up=0.5]", "[up=0]", "+old:-1[up=0]")
    keys = {planned(f"photo+old:0.8{blocks}").cell for blocks in changed}
    assert len(keys | set(known.values())) == len(changed) + 4
    assert planned("photo+old:0.8[up=.5,down=0.5]").cell == planned("photo+old:0.8[down=.5,up=.5]").cell
    assert planned("photo+old+old[up=0]").lora_blocks == ((), (("up", 0.0),))


def test_the_same_cells_are_the_same_run_in_any_order(explorer: Explorer) -> None:
    turned = replace(REQUEST, models=("tiny-b", "tiny-a"))
    assert explorer.plan(turned).run == explorer.plan(REQUEST).run
    assert explorer.plan(replace(REQUEST, seeds=1)).run != explorer.plan(REQUEST).run


def test_equal_texts_are_drawn_once_and_categories_choose(explorer: Explorer, settings: Settings) -> None:
    write_suite(settings.suites / "double.yaml", ["a red circle", "a blue star", "a red circle"], "double")
    request = replace(REQUEST, models=("tiny-a",), suite="double", seeds=1)
    assert len(explorer.plan(request).cells) == 2
    assert [c.recipe.prompt for c in explorer.plan(replace(request, categories=("c1",))).cells] == [
        "a blue star"
    ]


def test_own_prompts_need_no_suite(explorer: Explorer) -> None:
    request = GenerateRequest(models=("tiny-a",), prompts=("a red circle",), seeds=3)
    assert [cell.recipe.prompt for cell in explorer.plan(request).cells] == ["a red circle"] * 3


def test_a_copy_of_a_model_is_the_same_model(
    explorer: Explorer, settings: Settings, tiny_models: Path
) -> None:
    copy_checkpoint(tiny_models / "tiny-a", settings.checkpoints / "renamed")
    renamed = replace(REQUEST, models=("renamed",))
    assert keys(explorer, renamed) == keys(explorer, replace(REQUEST, models=("tiny-a",)))
    with pytest.raises(InvalidRequest, match="are the same model"):
        explorer.plan(replace(REQUEST, models=("tiny-a", "renamed")))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": ()}, "Choose at least one model"),
        ({"models": ("tiny-x",)}, "Unknown model 'tiny-x'. Did you mean tiny-a or tiny-b"),
        ({"suite": "tinny"}, "Unknown suite 'tinny'. Did you mean tiny"),
        ({"suite": ""}, "Choose a prompt suite"),
        ({"categories": ("c9",)}, "Unknown category 'c9'. Did you mean c0 or c1"),
        ({"seeds": 0}, "number of seeds must be 1 or more, not 0"),
        ({"seeds": -3}, "number of seeds must be 1 or more, not -3"),
        ({"seeds": 10**9}, "at most 1,000,000"),
        ({"first_seed": -1}, "Seeds must lie between"),
        ({"batch_size": 0}, "batch size must be 1 or more"),
        ({"prompts": ("",)}, "the prompt is empty"),
        ({"prompts": ("x" * 10_000,)}, "10,000 characters; at most 4,000"),
        ({"sampling": Sampling(steps=0)}, "Steps must lie between 1 and 1000, not 0"),
        ({"sampling": Sampling(steps=-5)}, "Steps must lie between 1 and 1000, not -5"),
        ({"sampling": Sampling(guidance=-1)}, "guidance scale must lie"),
        ({"sampling": Sampling(guidance=float("nan"))}, "guidance scale must lie"),
        ({"sampling": Sampling(width=100)}, "width must be a multiple of 8 between 64 and 4096, not 100"),
        ({"sampling": Sampling(height=8)}, "height must be a multiple of 8 between 64 and 4096, not 8"),
        ({"sampling": Sampling(height=-64)}, "height must be"),
        ({"sampling": Sampling(width=8000)}, "width must be"),
        ({"sampling": Sampling(sampler="DPM 2M")}, "Unknown sampler 'DPM 2M'. Did you mean .*DPM"),
    ],
)
def test_bad_requests_are_told_in_one_line(
    explorer: Explorer, change: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        explorer.plan(replace(REQUEST, **change))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert explorer.runs() == []
