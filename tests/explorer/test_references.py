import pytest

from explorer.errors import InvalidRequest
from explorer.references import LoraReference, Reference, looks_like_path, read_reference

MODELS = {"base", "a+b", "a", "x:1", "with space + plus"}
LORAS = {"style", "s+t", "ratio 1:2", "b", "x[down=1]"}


def read(text: str) -> Reference:
    return read_reference(text, MODELS.__contains__, LORAS.__contains__)


def one(name: str, weight: float, *blocks: tuple[str, float]) -> Reference:
    return Reference("base", (LoraReference(name, weight, blocks),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base", Reference("base")),
        (" base ", Reference("base")),
        ("base+style", Reference("base", (LoraReference("style", 1.0),))),
        (
            "base+style:0.5+style",
            Reference("base", (LoraReference("style", 0.5), LoraReference("style", 1.0))),
        ),
        (
            "base+style:+0.5+style:-1",
            Reference("base", (LoraReference("style", 0.5), LoraReference("style", -1.0))),
        ),
        ("a+b", Reference("a+b")),
        ("a+b:1", Reference("a", (LoraReference("b", 1.0),))),
        ("a+b+style:0.2", Reference("a+b", (LoraReference("style", 0.2),))),
        ("x:1", Reference("x:1")),
        ("base+s+t:0.3", Reference("base", (LoraReference("s+t", 0.3),))),
        ("base+s+t+style", Reference("base", (LoraReference("s+t", 1.0), LoraReference("style", 1.0)))),
        ("base+ratio 1:2", Reference("base", (LoraReference("ratio 1:2", 1.0),))),
        ("base+ratio 1:2:0.5", Reference("base", (LoraReference("ratio 1:2", 0.5),))),
        ("with space + plus", Reference("with space + plus")),
        ("nobody+style", Reference("nobody", (LoraReference("style", 1.0),))),
        ("base+nobody:0.5", Reference("base", (LoraReference("nobody", 0.5),))),
        ("", Reference("")),
        ("base+", Reference("base", (LoraReference("", 1.0),))),
        ("base+style:0.8[down=0.5,mid=1]", one("style", 0.8, ("down", 0.5), ("mid", 1.0))),
        ("base+style[text=0]", one("style", 1.0, ("text", 0.0))),
        ("base+ style:0.8 [ up.1 = -.5 ] ", one("style", 0.8, ("up.1", -0.5))),
        ("base+style:+0.8[down=+0.5]", one("style", 0.8, ("down", 0.5))),
        ("base+style:1e+0[down=1e+0]", one("style", 1.0, ("down", 1.0))),
        (
            "base+s+t:0.3[down=0]+style:0.5+b[up=2]+style",
            Reference(
                "base",
                (
                    LoraReference("s+t", 0.3, (("down", 0.0),)),
                    LoraReference("style", 0.5),
                    LoraReference("b", 1.0, (("up", 2.0),)),
                    LoraReference("style"),
                ),
            ),
        ),
        ("base+x[down=1]", one("x[down=1]", 1.0)),
        ("base+x[down=1]:0.5[down=1]", one("x[down=1]", 0.5, ("down", 1.0))),
        ("base+nobody:0.5[down=1]", one("nobody", 0.5)),
        ("base+nobody[v2]:0.5", one("nobody[v2]", 0.5)),
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
        ("base+style:0.8[]", r"brackets behind style are empty. Leave them out, or write style:0.8\[down"),
        ("base+style[ ]", "brackets behind style are empty"),
        ("base+style:0.8[down=0.5", r"closed brackets: style:0.8\[down=0.5,text=0\]"),
        ("base+style[down=0.5", "cannot be read"),
        ("base+style[", "cannot be read"),
        ("base+style:0.8[down=0.5+b[up=1]", r"'style:0.8\[down=0.5' cannot be read"),
        ("base+style[down=0.5]:0.8", "Write the weight, then closed brackets"),
        ("base+style[[down=0.5]]", "cannot be read"),
        ("base+style:strong[down=0.5]", "cannot be read"),
        ("base+style[down]", "'down' in the brackets behind style is no weight of a block; write down=0.5"),
        ("base+style[down=]", "'down=' in the brackets"),
        ("base+style[=1]", "'=1' in the brackets"),
        ("base+style[down=1,]", "'' in the brackets"),
        ("base+style[down=much]", "'down=much' in the brackets"),
        ("base+style[down=1=2]", "'down=1=2' in the brackets"),
        ("base+style[down=1,down=1]", "block down of style has two weights; give it one"),
        ("base+style[down=nan]", "weight of the block down nan is out of range; use -10 to 10"),
        ("base+style[down=inf]", "out of range"),
        ("base+style[down=-10.5]", "weight of the block down -10.5 is out of range"),
        ("base+style:11[down=1]", "LoRA weight 11 is out of range"),
    ],
)
def test_weights_that_are_none(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(text)


def test_paths_are_told_from_names() -> None:
    assert all(looks_like_path(p) for p in ("/a", "a/b", "~x", "./x", "x.safetensors", "a\\b"))
    assert not any(looks_like_path(n) for n in ("base", "v1.5", "a+b", ""))
