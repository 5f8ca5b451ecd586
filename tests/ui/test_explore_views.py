from collections.abc import Sequence

import pytest

from explorer.points import MetricKey
from explorer.reports import Results
from explorer.statistics import leaderboard
from explorer.types import Image, ScoreRow
from explorer.ui.explore_offers import VIEWS, groupings, metrics_for, views_of
from explorer.ui.explore_views import Asked, Looking, best_pair, draw, fitted, settled
from metrics import list_metrics
from tests.explorer.scored import picture, row, scored

M, N = MetricKey("m", "bundled"), MetricKey("n", "bundled")
MODELS = ("a", "b")
DIRECTIONS = {"m": "higher", "n": "neutral"}


def results(images: Sequence[Image], scores: Sequence[ScoreRow]) -> Results:
    return Results("r", images, scores, leaderboard(images, scores, DIRECTIONS))


def looking(found: Results) -> Looking:
    return Looking(found, {card.id: card for card in list_metrics()}, lambda image_id: f"t/{image_id}")


def two_models(prompts: int = 8) -> tuple[list[Image], list[ScoreRow]]:
    """Model a is 2 better in text and 1 worse in hands; the second metric is the first negated."""
    images, scores = [], []
    for index in range(prompts):
        category = "text" if index % 2 else "hands"
        for model, lead in (("a", 2.0 if index % 2 else -1.0), ("b", 0.0)):
            images.append(picture(model, f"p{index}", category=category, difficulty="easy"))
            scores.append(row(images[-1], 10.0 + index + lead))
            scores.append(row(images[-1], -10.0 - index - lead, "n"))
    return images, scores


@pytest.fixture
def look() -> Looking:
    return looking(results(*two_models()))


def asked(view: str, **changes: object) -> Asked:
    values = {"metric": M, "against": N, "first": "a", "second": "b"} | changes
    return Asked(view, **values)  # type: ignore[arg-type]


def test_only_views_with_something_to_show_are_offered(look: Looking) -> None:
    assert views_of(look.found) == ["intervals", "groups", "spread", "scatter", "agreement", "why"]
    images, scores = scored({"a": [1.0, 2.0]})
    assert views_of(results(images, scores)) == ["intervals", "spread"]
    whole = [row(images[0], 5.0, level="model")]
    assert views_of(results(images, whole)) == ["intervals"]
    assert views_of(results(images, [row(images[0], None)])) == []
    steps = [picture("a", "p0", seed=n, steps=n) for n in (10, 20)]
    assert "settings" in views_of(results(steps, [row(image, 1.0) for image in steps]))


def test_what_was_chosen_stays_while_the_results_have_it(look: Looking) -> None:
    kept = settled(look, asked("scatter", metric=N, against=M, first="b", second="a"), MODELS)
    assert kept == asked("scatter", metric=N, against=M, first="b", second="a")
    gone = Asked("settings", MetricKey("x", "large"), N, first="a", second="gone")
    found = settled(look, gone, MODELS)
    assert (found.view, found.metric, found.against) == ("intervals", M, N)
    assert (found.first, found.second) == best_pair(look.rows(M)) == ("a", "b")


def test_means_are_of_the_chosen_metric(look: Looking) -> None:
    figure = draw(look, asked("intervals")).figure
    assert figure is not None
    # a: mean of 10..17 plus 2 and -1 in turns; b: mean of 10..17.
    assert [(trace.y[0], trace.x[0]) for trace in figure.data] == [("a", 14.0), ("b", 13.5)]
    first = look.rows(M)[0]
    assert figure.data[0].error_x.array[0] == pytest.approx(first.high - first.mean)


def test_bars_by_category_are_the_means_of_its_prompts(look: Looking) -> None:
    drawn = draw(look, asked("groups"))
    assert drawn.figure is not None
    means = {trace.name: dict(zip(trace.y, trace.x, strict=True)) for trace in drawn.figure.data}
    assert means == {"a": {"hands": 12.0, "text": 16.0}, "b": {"hands": 13.0, "text": 14.0}}
    assert "hands 4 prompts; text 4 prompts" in drawn.words
    radar = draw(look, asked("groups", shape="radar"))
    assert radar.figure is not None
    assert radar.figure.data[0].type == "bar"
    assert "three groups" in radar.words


def with_questions(prompts: int = 8) -> Results:
    """As `two_models`, and TIFA: model b fails every colour; GenEval: it fails two objects."""
    images, scores = two_models(prompts)
    for index, image in enumerate(images):
        wrong = image.recipe.model == "b"
        asked = [
            {"text": "A cat?", "skill": "object", "expected": "yes", "answer": "yes", "right": True},
            {
                "text": "What colour?",
                "skill": "colour",
                "expected": "red",
                "answer": "blue",
                "right": not wrong,
            },
            {
                "text": "A dog?",
                "skill": "object",
                "expected": "no",
                "answer": "yes",
                "right": False,
                "control": 1,
            },
        ]
        skills = {
            "object": {"mean": 0.5, "questions": 2},
            "colour": {"mean": float(not wrong), "questions": 1},
        }
        scores.append(row(image, 0.5, "tifa", detail={"questions": asked, "skills": skills}))
        task = "two_object" if index // 2 % 2 else "counting"
        right = not wrong or task == "counting"
        scores.append(row(image, float(right), "geneval", detail={"task": task}))
    return results(images, scores)


T, G = MetricKey("tifa", "bundled"), MetricKey("geneval", "bundled")


def test_groups_are_those_that_the_metric_has() -> None:
    found = with_questions()
    assert groupings(found, M) == ["category"]
    assert groupings(found, T) == ["category", "skill"]
    assert groupings(found, G) == ["category", "task"]
    assert views_of(found)[-1] == "questions"
    assert metrics_for(found, "questions") == [T]
    assert fitted(found, asked("groups", metric=T, group="skill")).group == "skill"
    assert fitted(found, asked("groups", metric=M, group="skill")).group == "category"
    assert fitted(found, asked("questions", metric=M)).metric == T
    unscored = [row(found.images[0], None, "tifa", detail={"questions": [{"text": "A cat?"}]})]
    assert views_of(results(found.images, unscored)) == ["questions"]


def test_bars_by_skill_and_by_task_are_of_their_questions_and_pictures() -> None:
    look = looking(with_questions())
    drawn = draw(look, asked("groups", metric=T, group="skill"))
    assert drawn.figure is not None
    means = {trace.name: dict(zip(trace.y, trace.x, strict=True)) for trace in drawn.figure.data}
    assert means == {"a": {"object": 0.5, "colour": 1.0}, "b": {"object": 0.5, "colour": 0.0}}
    assert "object 8 prompts; colour 8 prompts. A prompt counts for each skill" in drawn.words
    drawn = draw(look, asked("groups", metric=G, group="task"))
    assert drawn.figure is not None
    means = {trace.name: dict(zip(trace.y, trace.x, strict=True)) for trace in drawn.figure.data}
    assert means == {"a": {"two objects": 1.0, "counting": 1.0}, "b": {"two objects": 0.0, "counting": 1.0}}
    assert "Lines: 95 % intervals. two objects 4 prompts" in drawn.words


def test_tasks_of_a_whole_model_say_that_they_have_no_intervals() -> None:
    images, _ = two_models()
    tasks = {name: {"right": 0.5, "pictures": 4, "prompts": 4} for name in ("counting", "colors", "position")}
    whole = [row(image, 0.5, level="model", detail={"tasks": tasks}) for image in images[:2]]
    look = looking(results(images, whole))
    assert groupings(look.found, M) == ["task"]
    drawn = draw(look, asked("groups", group="task"))
    assert drawn.figure is not None
    assert "No intervals" in drawn.words
    assert draw(look, asked("groups", group="task", shape="radar")).figure.data[0].type == "scatterpolar"  # type: ignore[union-attr]


def test_the_worst_questions_are_of_one_model() -> None:
    look = looking(with_questions())
    drawn = draw(look, asked("questions", metric=T, first="b"))
    assert drawn.figure is None
    assert "Failed 8 of 8 pictures" in drawn.words
    assert "right: red; said: blue (8 times)" in drawn.words
    assert "8 of 16 answers wrong (50 %) about what its prompts ask for" in drawn.words
    assert "8 of 8 answers wrong (100 %) about what is not to be there" in drawn.words
    assert "What colour" not in draw(look, asked("questions", metric=T, first="a")).words
    assert "Choose a model" in draw(look, asked("questions", metric=T, first="")).words


def test_the_spread_is_of_every_picture(look: Looking) -> None:
    drawn = draw(look, asked("spread"))
    assert drawn.figure is not None
    assert sorted(drawn.figure.data[1].x) == [10.0 + index for index in range(8)]
    assert "One value a picture" in drawn.words


def test_a_scatter_has_all_pictures_and_lists_those_that_stand_out(look: Looking) -> None:
    drawn = draw(look, asked("scatter"))
    assert drawn.figure is not None
    assert sum(len(trace.x) for trace in drawn.figure.data) == 16
    for trace in drawn.figure.data:
        assert [-x for x in trace.x] == list(trace.y)
    assert drawn.words.count('class="x-open"') == 6 * 4
    assert "One dot a picture: 16" in drawn.words


def test_metrics_that_say_the_opposite_are_told(look: Looking) -> None:
    drawn = draw(look, asked("agreement"))
    assert drawn.figure is not None
    assert drawn.figure.data[0].z[0][1] == pytest.approx(-1.0)
    assert "opposite ways largely (-1.00)" in drawn.words


def test_why_shows_the_largest_differences_first_seen_from_the_first_model(look: Looking) -> None:
    drawn = draw(look, asked("why"))
    assert drawn.figure is None
    assert drawn.words.count("a is 2.000 higher than b") == 4
    assert drawn.words.index("a is 2.000") < drawn.words.index("b is 1.000 higher than a")
    turned = draw(look, asked("why", first="b", second="a")).words
    assert turned.index('data-picture="b-p1-0"') < turned.index('data-picture="a-p1-0"')
    assert "Choose two different models" in draw(look, asked("why", second="a")).words


def test_a_value_of_a_whole_model_says_that_there_is_nothing_inside() -> None:
    images, _ = scored({"a": [1.0, 1.0], "b": [2.0, 2.0]})
    look = looking(results(images, [row(image, 5.0, level="model") for image in (images[0], images[2])]))
    for view in ("groups", "spread", "why"):
        drawn = draw(look, asked(view))
        assert drawn.figure is None
        assert "one value for all pictures" in drawn.words
    assert draw(look, asked("intervals")).figure is not None


def test_no_view_breaks_where_nothing_was_scored() -> None:
    images, _ = scored({"a": [1.0, 1.0]})
    look = looking(results(images, [row(image, None) for image in images]))
    for view in VIEWS:
        drawn = draw(look, asked(view))
        assert drawn.words
