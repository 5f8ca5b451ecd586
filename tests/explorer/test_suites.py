from collections import Counter
from pathlib import Path

import pytest

from explorer.errors import SuiteError, UnknownName
from explorer.suites import SuiteLibrary, custom_suite, read_suite
from tests.fakes import PROJECT, write_suite


def test_the_shipped_suite_is_what_it_promises() -> None:
    suite = read_suite(PROJECT / "prompts" / "shapes.yaml")
    categories = Counter(prompt.category for prompt in suite.prompts)
    assert len(suite.prompts) >= 40
    assert set(categories) == {"counting", "colour", "shape", "position", "background"}
    assert min(categories.values()) >= 6
    assert {prompt.difficulty for prompt in suite.prompts} == {"easy", "medium", "hard"}
    assert len({prompt.text for prompt in suite.prompts}) == len(suite.prompts)


def test_the_shipped_suite_uses_only_words_the_bundled_models_know() -> None:
    known = set((PROJECT / "assets" / "clip" / "vocabulary.txt").read_text(encoding="utf-8").split())
    words = {w for p in read_suite(PROJECT / "prompts" / "shapes.yaml").prompts for w in p.text.split()}
    assert words <= known


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


HEAD = "format: 1\nid: x\nprompts:\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a mapping"),
        ("- 1", "expected a mapping"),
        ("format: 1\nprompts: {}", "expected a mapping"),
        ("format: 2\nprompts: []", "'format' must be 1"),
        ("format: 1\nprompts: []", "empty"),
        (HEAD + "  - just text", "must be a mapping"),
        (HEAD + "  - {id: a, text: ''}", "line 4: the prompt is empty"),
        (HEAD + "  - {id: a, text: '   '}", "line 4: the prompt is empty"),
        (HEAD + "  - {id: a, text: b}\n  - {id: a, text: c}", "line 5: the id 'a' is used twice"),
        (HEAD + "  - {text: b}", "line 4: 'id' is missing"),
        (HEAD + "  - {id: a, text: no}", "line 4: 'text' must be text"),
        (HEAD + "  - {id: a, text: b, difficulty: brutal}", "line 4: 'difficulty' must be one of"),
        (HEAD + "  - {id: a, text: b, colour: red}", "line 4: unknown field 'colour'"),
        (HEAD + "  - {id: a, text: 'b", "line 4: not valid YAML"),
        (HEAD + "  - !!python/object/apply:os.system [id]", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SuiteError, match=message) as caught:
        read_suite(write(tmp_path / "x.yaml", text))
    assert "\n" not in str(caught.value)


def test_a_prompt_of_10000_characters_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.yaml", HEAD + f"  - {{id: a, text: '{'x' * 10_000}'}}")
    with pytest.raises(SuiteError, match="10,000 characters; at most 4,000"):
        read_suite(path)


def test_a_file_that_is_no_text_or_too_large_or_missing(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(SuiteError, match="not UTF-8"):
        read_suite(tmp_path / "x.yaml")
    (tmp_path / "y.yaml").write_bytes(b"a" * 10_000_001)
    with pytest.raises(SuiteError, match="larger than 10 MB"):
        read_suite(tmp_path / "y.yaml")
    with pytest.raises(SuiteError, match="Cannot read"):
        read_suite(tmp_path / "z.yaml")


def test_an_own_suite_hides_a_shipped_one_and_a_broken_one_hides_nothing(tmp_path: Path) -> None:
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    write_suite(shipped / "a.yaml", ["one"], "a")
    write_suite(shipped / "b.yaml", ["two"], "b")
    write_suite(own / "mine.yaml", ["three"], "a")
    write(own / "broken.yaml", "format: 9\nprompts: []")
    library = SuiteLibrary(shipped, own)
    assert [(s.id, s.prompts[0].text) for s in library.all()] == [("a", "three"), ("b", "two")]
    with pytest.raises(SuiteError, match="'format' must be 1"):
        library.get("broken")
    assert library.get(str(shipped / "b.yaml")).id == "b"


def test_an_unknown_suite_names_near_ones() -> None:
    library = SuiteLibrary(PROJECT / "prompts", Path("nowhere"))
    with pytest.raises(UnknownName, match=r"Unknown suite 'shape'\. Did you mean shapes\?"):
        library.get("shape")


def test_own_prompts_get_stable_ids_and_lose_doubles() -> None:
    first = custom_suite((" a cat ", "a dog", "a cat"))
    assert [prompt.text for prompt in first.prompts] == ["a cat", "a dog"]
    assert custom_suite(("a dog",)).prompts[0].id == first.prompts[1].id
    with pytest.raises(SuiteError, match="empty"):
        custom_suite(("  ",))
