import pytest

from explorer.errors import InvalidRequest
from explorer.references import Reference, looks_like_path, read_reference

MODELS = {"base", "a+b", "a", "x:1", "with space + plus"}
LORAS = {"style", "s+t", "ratio 1:2", "b"}


def read(text: str) -> Reference:
    return read_reference(text, MODELS.__contains__, LORAS.__contains__)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base", Reference("base")),
        (" base ", Reference("base")),
        ("base+style", Reference("base", (("style", 1.0),))),
        ("base+style:0.5+style", Reference("base", (("style", 0.5), ("style", 1.0)))),
        ("base+style:+0.5+style:-1", Reference("base", (("style", 0.5), ("style", -1.0)))),
        ("a+b", Reference("a+b")),
        ("a+b:1", Reference("a", (("b", 1.0),))),
        ("a+b+style:0.2", Reference("a+b", (("style", 0.2),))),
        ("x:1", Reference("x:1")),
        ("base+s+t:0.3", Reference("base", (("s+t", 0.3),))),
        ("base+s+t+style", Reference("base", (("s+t", 1.0), ("style", 1.0)))),
        ("base+ratio 1:2", Reference("base", (("ratio 1:2", 1.0),))),
        ("base+ratio 1:2:0.5", Reference("base", (("ratio 1:2", 0.5),))),
        ("with space + plus", Reference("with space + plus")),
        ("nobody+style", Reference("nobody", (("style", 1.0),))),
        ("base+nobody:0.5", Reference("base", (("nobody", 0.5),))),
        ("", Reference("")),
        ("base+", Reference("base", (("", 1.0),))),
    ],
)
def test_references(text: str, expected: Reference) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("base+style:strong", "'strong' is not a number; write style:0.8"),
        ("base+style:", "'' is not a number"),
        ("base+style:nan", "out of range"),
        ("base+style:inf", "out of range"),
        ("base+style:99", "use -10 to 10"),
        ("base+nobody:x", "'x' is not a number"),
    ],
)
def test_weights_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(text)


def test_paths_are_told_from_names() -> None:
    assert all(looks_like_path(p) for p in ("/a", "a/b", "~x", "./x", "x.safetensors", "a\\b"))
    assert not any(looks_like_path(n) for n in ("base", "v1.5", "a+b", ""))
