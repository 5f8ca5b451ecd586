"""Questions and scenes in suite files, and how they reach the metrics."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from explorer.errors import SuiteError
from explorer.reference_pictures import ReferencePictures
from explorer.samples import SampleMaker
from explorer.suites import SuiteLibrary, read_suite
from explorer.types import Image, Prompt, Recipe
from metrics import ExpectedObject, MemoryQuestions, Question, Scene, prompt_key

SUITE = """
format: 1
id: asked
prompts:
  - id: fox
    text: "a red fox left of a tree"
    questions:
      - {id: q1, text: "Is there a fox?"}
      - {id: q2, text: "What color?", expected: red, skill: colour, choices: [red, blue], parents: [q1]}
      - {text: "Is there a dog?", expected: "no"}
    scene:
      include:
        - {name: tree}
        - {name: fox, colour: red, relation: left of, target: 0}
      exclude:
        - {name: dog}
  - id: plain
    text: "a tree"
"""


def read(folder: Path, text: str) -> tuple[Prompt, ...]:
    path = folder / "asked.yaml"
    path.write_text(text, encoding="utf-8")
    return read_suite(path).prompts


def test_questions_and_scene_are_read(tmp_path: Path) -> None:
    fox, plain = read(tmp_path, SUITE)
    assert fox.questions == (
        Question("q1", "Is there a fox?"),
        Question("q2", "What color?", "red", "colour", ("red", "blue"), ("q1",)),
        Question("q3", "Is there a dog?", "no"),
    )
    assert fox.scene == Scene(
        "position",
        (ExpectedObject("tree"), ExpectedObject("fox", 1, "red", "left of", 0)),
        (ExpectedObject("dog"),),
    )
    assert (plain.questions, plain.scene) == ((), None)


def test_a_prompt_written_down_comes_back(tmp_path: Path) -> None:
    prompts = read(tmp_path, SUITE)
    data = {"format": 1, "prompts": [prompt.to_dict() for prompt in prompts]}
    assert read(tmp_path, yaml.safe_dump(data)) == prompts


HEAD = "format: 1\nid: x\nprompts:\n  - id: a\n    text: b\n"
QUESTIONS = HEAD + "    questions:\n"
SCENE = HEAD + "    scene:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "    questions: yes", "line 4: 'questions' must be a list"),
        (QUESTIONS + "      - just text", "line 4: a question must be a mapping"),
        (QUESTIONS + "      - {text: ''}", "line 7: a question needs an 'id' and a 'text'"),
        (QUESTIONS + "      - {text: c}\n      - {text: d, answer: x}", "line 8: unknown field 'answer'"),
        (QUESTIONS + "      - {text: c, expected: no}", "line 7: 'expected' must be text; put it in quotes"),
        (QUESTIONS + "      - {text: c, expected: red}", "line 7: question 'q1' expects 'red'"),
        (QUESTIONS + "      - {text: c, choices: [1, 2]}", "line 7: 'choices' must be a list of texts"),
        (QUESTIONS + "      - {text: c, skill: mood}", "line 7: there is no skill 'mood'"),
        (QUESTIONS + "      - {text: c, parents: [q7]}", "line 7: question 'q1' has the parent 'q7'"),
        (
            QUESTIONS + "      - {id: z, text: c}\n      - {id: z, text: d}",
            "line 8: the question id 'z' is used twice",
        ),
        (QUESTIONS + "      - {text: c}\n" * 101, "'questions' has 101 entries"),
        (HEAD + "    scene: a dog", "line 4: 'scene' must be a mapping"),
        (SCENE + "      include: []", "line 7: 'scene' names no object"),
        (SCENE + "      include: [{count: 2}]", "line 7: an object needs a 'name'"),
        (SCENE + "      include: [{name: a, count: 0}]", "line 7: 'count' must be a whole number"),
        (SCENE + "      include: [{name: a, count: true}]", "line 7: 'count' must be a whole number"),
        (SCENE + "      include: [{name: a, size: big}]", "line 7: unknown field 'size'"),
        (
            SCENE + "      include: [{name: a, relation: near, target: 0}]",
            "line 7: 'relation' must be one of",
        ),
        (
            SCENE + "      include: [{name: a, relation: above}]",
            "line 7: 'a' needs both a 'relation' and a 'target'",
        ),
        (SCENE + "      include: [{name: a, relation: above, target: 5}]", "line 7: 'a' needs both"),
        (SCENE + "      include: [{name: a, relation: above, target: 0}]", "line 7: 'a' needs both"),
        (SCENE + "      task: dancing\n      include: [{name: a}]", "line 7: 'task' must be one of"),
    ],
)
def test_a_wrong_entry_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def picture(**fields: Any) -> Image:
    plain: dict[str, Any] = dict.fromkeys(Recipe.__dataclass_fields__, "")
    plain |= {"loras": (), "seed": 1, "steps": 1, "guidance": 1.0, "width": 8, "height": 8, "versions": {}}
    plain |= {"lora_blocks": (), "source": {}, "clip_skip": 1, "batch_size": 1}
    return Image("0" * 64, Path("x.png"), Recipe(**{**plain, **fields}), "")


@pytest.fixture
def maker(tmp_path: Path) -> SampleMaker:
    own = tmp_path / "suites"
    own.mkdir()
    (own / "asked.yaml").write_text(SUITE, encoding="utf-8")
    return SampleMaker(ReferencePictures(tmp_path / "references"), SuiteLibrary(tmp_path / "none", own))


def test_samples_carry_what_their_suite_asks_now(maker: SampleMaker) -> None:
    fox = picture(suite="asked", prompt_id="fox", prompt="a red fox left of a tree")
    (sample,) = maker.samples([fox])
    assert [question.id for question in sample.questions] == ["q1", "q2", "q3"]
    assert sample.scene is not None
    path = maker.suites.own / "asked.yaml"
    path.write_text(SUITE.replace("Is there a fox?", "Is a fox there?"), encoding="utf-8")
    (edited,) = maker.samples([fox])
    assert edited.questions[0].text == "Is a fox there?"
    assert edited.questions[1:] == sample.questions[1:]


@pytest.mark.parametrize(
    "fields",
    [
        {"suite": "asked", "prompt_id": "fox", "prompt": "another text by now"},
        {"suite": "asked", "prompt_id": "gone", "prompt": "x"},
        {"suite": "gone", "prompt_id": "fox", "prompt": "x"},
        {"suite": "", "prompt_id": "", "prompt": ""},
        {"suite": "../../etc/passwd", "prompt_id": "fox", "prompt": "x"},
    ],
)
def test_other_pictures_get_their_questions_from_the_prompt(
    maker: SampleMaker, fields: dict[str, str]
) -> None:
    (sample,) = maker.samples([picture(**fields)])
    assert (sample.questions, sample.scene) == ((), None)


def test_a_language_model_stands_in_where_the_suite_asks_nothing(maker: SampleMaker) -> None:
    stored = (Question("lm", "Is it a tree?"),)
    store = MemoryQuestions({prompt_key("a tree"): stored, prompt_key("a red fox left of a tree"): stored})
    maker = replace(maker, questions=store)
    tree = picture(suite="asked", prompt_id="plain", prompt="a tree")
    fox = picture(suite="asked", prompt_id="fox", prompt="a red fox left of a tree")
    (sample,) = maker.samples([tree])
    assert sample.questions == stored
    (sample,) = maker.samples([fox])
    assert sample.questions[0].id == "q1"
