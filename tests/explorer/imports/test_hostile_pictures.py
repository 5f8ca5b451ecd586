"""Files that come from anywhere: each is taken or refused with a reason, and nothing breaks."""

import contextlib
import copy
import json
import os
import random
import re
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow
from pydantic import TypeAdapter

from explorer.imports import Unusable, preview, read_foreign
from explorer.imports.folders import Found
from explorer.imports.mapping import Mapper, our_recipe
from explorer.imports.pictures import Opened, as_png
from explorer.imports.tools import recognise
from explorer.recipes import read_recipe
from explorer.requests import ImportRequest
from explorer.storage import PNG_END
from explorer.types import Recipe
from tests.explorer.imports import samples
from tests.explorer.test_recipes import make_recipe


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_chunk(path: Path, kind: bytes, body: bytes) -> Path:
    data = samples.png(path).read_bytes()
    path.write_bytes(data[:33] + chunk(kind, body) + data[33:])
    return path


def empty(path: Path) -> None:
    path.write_bytes(b"")


def words(path: Path) -> None:
    path.write_text("not a picture")


def half(path: Path) -> None:
    data = samples.png(path).read_bytes()
    path.write_bytes(data[: len(data) // 2])


def head(path: Path) -> None:
    path.write_bytes(samples.png(path).read_bytes()[:20])


def a_bomb(path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))))


def a_large_picture(path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9_000, 9_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))))


def a_text_bomb(path: Path) -> None:
    with_chunk(path, b"zTXt", b"parameters\0\0" + zlib.compress(bytes(50_000_000), 9))


def moving(path: Path) -> None:
    frames = [samples.picture(number) for number in range(3)]
    frames[0].save(path, format="WEBP", save_all=True, append_images=frames[1:])


def moving_png(path: Path) -> None:
    frames = [samples.picture(number) for number in range(3)]
    frames[0].save(path, format="PNG", save_all=True, append_images=frames[1:])


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def no_recipe(path: Path) -> None:
    samples.png(path)


def a_prompt_only(path: Path) -> None:
    samples.png(path, parameters="just words")


def broken_json(path: Path) -> None:
    samples.png(path, prompt='{"3": {"class_type": "KSampler", "inputs": {')


def deep_json(path: Path) -> None:
    samples.png(path, prompt='{"a":' * 200_000)


def deep_list(path: Path) -> None:
    samples.png(path, invokeai_metadata='{"a":' + "[" * 500_000)


def long_prompt(path: Path) -> None:
    samples.png(path, parameters=samples.a1111("a cat " * 2_000))


def empty_prompt(path: Path) -> None:
    samples.png(path, parameters="\nSteps: 20, Seed: 1")


def many_samplers(path: Path) -> None:
    graph = {str(n): samples.comfy_graph()["3"] for n in range(60)}
    samples.comfy(path, graph)


REASONS = {
    empty: "empty",
    words: "no readable PNG, JPEG or WebP",
    half: "damaged|no recipe",
    head: "damaged|no readable PNG",
    a_bomb: "pixels",
    a_large_picture: "9000 x 9000 pixels",
    a_text_bomb: "damaged",
    moving: "animation",
    moving_png: "animation",
    a_pipe: "no ordinary file",
    no_recipe: "no recipe inside that is known",
    a_prompt_only: "no recipe inside that is known",
    broken_json: "no recipe",
    deep_json: "no recipe",
    deep_list: "no recipe",
    long_prompt: "12,000 characters|11,999 characters",
    empty_prompt: "empty prompt",
    many_samplers: "60 samplers",
}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("make", REASONS, ids=lambda make: make.__name__)
def test_each_bad_file_is_a_line_with_its_reason(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "bad.png")
    samples.png(tmp_path / "good.png", parameters=samples.a1111("a cat"))
    found = preview(ImportRequest(str(tmp_path)), None)
    assert [row.file for row in found.rows] == ["good.png"]
    assert [unread.file for unread in found.unread] == ["bad.png"]
    assert re.search(REASONS[make], found.unread[0].reason), found.unread[0].reason


def test_links_do_not_leave_the_folder(tmp_path: Path) -> None:
    outside = samples.png(tmp_path / "outside" / "secret.png", parameters=samples.a1111("a secret"))
    folder = tmp_path / "folder"
    samples.png(folder / "a.png", parameters=samples.a1111("a cat"))
    (folder / "b.png").symlink_to(folder / "a.png")
    (folder / "c.png").symlink_to(outside)
    (folder / "d.png").symlink_to(folder / "nothing.png")
    (folder / "e.png").symlink_to(folder / "e.png")
    (folder / "further").symlink_to(outside.parent)
    (folder / "f.png").mkdir()
    found = preview(ImportRequest(str(folder)), None)
    assert [row.file for row in found.rows] == ["a.png", "b.png"]
    assert {unread.file: unread.reason for unread in found.unread} == {
        "c.png": "is a link that leaves the folder",
        "d.png": "is a link that leads nowhere",
        "e.png": "is a link that leads nowhere",
    }


def test_a_wrong_extension_does_not_matter(tmp_path: Path) -> None:
    comment = b"UNICODE\0" + samples.a1111("a cat").encode("utf-16-be")
    samples.with_comment(tmp_path / "a.jpg", comment).rename(tmp_path / "a.png")
    assert read_foreign(tmp_path / "a.png").prompt == "a cat"


def test_a_text_behind_the_pixels_is_found(tmp_path: Path) -> None:
    data = samples.png(tmp_path / "a.png").read_bytes()
    late = chunk(b"tEXt", b"parameters\0" + samples.a1111("a cat").encode())
    (tmp_path / "a.png").write_bytes(data[:-12] + late + data[-12:])
    assert read_foreign(tmp_path / "a.png").prompt == "a cat"


def test_many_files_are_counted_in_little(tmp_path: Path) -> None:
    for number in range(600):
        samples.png(tmp_path / f"{number:04d}.png", parameters=samples.a1111("a cat", seed=number))
        if number % 3 == 0:
            (tmp_path / f"x{number:04d}.png").write_bytes(b"x")
    found = preview(ImportRequest(str(tmp_path)), None)
    assert (found.pictures, found.unread_files, found.prompts) == (600, 200, 1)
    assert (len(found.rows), len(found.unread)) == (200, 200)


@pytest.mark.parametrize(
    "text",
    [
        "x\nSteps: 1, " + "A" * 1_000_000,
        "x\nSteps: 1, " + 'A: "' * 250_000,
        "x\nSteps: 1, " + "Aa: " * 250_000,
        "x" + "<lora:" * 150_000 + "\nSteps: 1",
        "x\nSteps: 1, Civitai resources: " + "[" * 1_000_000,
        "x<lora:a:1>" + " ,," * 300_000 + "x\nSteps: 1",
        "x<lora:a:1>" + " " * 900_000 + "x\nSteps: 1",
    ],
)
def test_no_text_takes_long(tmp_path: Path, text: str) -> None:
    path = samples.png(tmp_path / "a.png", parameters=text)
    began = time.monotonic()
    with contextlib.suppress(Unusable):
        read_foreign(path)
    assert time.monotonic() - began < 10


STRANGE = [None, True, -1, 10**400, 1e308, float("nan")]
STRANGE += ["x" * 100_000, "\ud800\0\x1b[31m", [], [[]], {}, {"a": 1}]


def mutations(value: Any) -> Iterator[Any]:
    """The value with each part in turn replaced by each strange one."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            for part in mutations(value[key]):
                changed = copy.copy(value)
                changed[key] = part
                yield changed
    yield from STRANGE


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("parameters", samples.SWARM),
        ("invokeai_metadata", samples.INVOKE),
        ("parameters", samples.FOOOCUS),
        ("Comment", samples.NOVELAI),
        ("XMP", {"c": "x", "uc": "y", "model": "z", "lora": [{"model": "m", "weight": 1}], "seed": 1}),
        ("prompt", samples.comfy_graph()),
        ("prompt", samples.flux_graph()),
    ],
    ids=["swarm", "invoke", "fooocus", "novelai", "draw things", "comfy", "flux"],
)
def test_any_value_may_be_of_any_kind(name: str, value: Any) -> None:
    taken = 0
    for changed in mutations(value):
        texts = {name: json.dumps(changed), "Software": "NovelAI"}
        try:
            recipe = recognise(Opened("PNG", 64, 48, texts))
        except Unusable:
            continue
        taken += 1
        assert isinstance(recipe.prompt, str)
        assert -1 <= recipe.seed < 2**64
        assert 0 <= recipe.steps <= 100_000
        assert recipe.clip_skip >= 1
        json.dumps([recipe.prompt, recipe.negative, recipe.model, recipe.sampler]).encode()
        assert all(part.isprintable() for part in (recipe.model, recipe.sampler, recipe.model_hash))
        assert "\0" not in recipe.prompt
    assert taken > 20


def test_only_a_sound_recipe_of_ours_is_believed() -> None:
    kinds = TypeAdapter(Recipe)
    sound = make_recipe().to_dict()
    assert our_recipe(json.dumps(sound), kinds) == make_recipe()
    assert our_recipe(json.dumps(sound | {"of_a_newer_program": 1}), kinds) == make_recipe()
    for name, value in [
        ("cell", "../../../etc/passwd"),
        ("cell", "e" * 63),
        ("seed", "../x"),
        ("seed", 2**64),
        ("model", ["x"]),
        ("steps", None),
        ("loras", [["a"]]),
        ("loras", 5),
        ("width", "64"),
        ("prompt", "\ud800"),
        ("guidance", float("nan")),
        ("source", {"tool": 1}),
    ]:
        assert our_recipe(json.dumps(sound | {name: value}), kinds) is None, (name, value)
    for text in ["", "[]", "5", "{}", "{", "[" * 200_000]:
        assert our_recipe(text, kinds) is None


def test_a_picture_of_sixteen_bits_or_with_a_palette_is_opened(tmp_path: Path) -> None:
    info = samples.PngInfo()
    info.add_text("parameters", samples.a1111("a cat"))
    Pillow.new("P", (8, 8)).save(tmp_path / "p.png", pnginfo=info)
    Pillow.new("I;16", (8, 8)).save(tmp_path / "i.png", pnginfo=info)
    assert preview(ImportRequest(str(tmp_path)), None).pictures == 2


@pytest.mark.filterwarnings("ignore::UserWarning")  # of Pillow, about damaged EXIF
def test_damage_anywhere_is_a_reason_or_does_no_harm(tmp_path: Path) -> None:
    comment = b"UNICODE\0" + samples.A1111.encode("utf-16-be")
    whole = [
        samples.png(tmp_path / "a.png", parameters=samples.A1111).read_bytes(),
        samples.with_comment(tmp_path / "a.jpg", comment).read_bytes(),
        samples.with_comment(tmp_path / "a.webp", comment).read_bytes(),
    ]
    chance = random.Random(1)
    mapper, found = Mapper(ImportRequest(str(tmp_path)), None), Found(tmp_path / "x.png", "x.png")
    # The end of a PNG with a length, which Pillow does not mind.
    damaged = [whole[0][:-12] + b"\0\0\0\x07" + whole[0][-8:]]
    for _ in range(3_000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.choice((1, 2, 5))):
            place = chance.randrange(chance.choice((60, len(data))))
            data[place : place + chance.randrange(3)] = chance.randbytes(chance.randrange(3))
        damaged.append(bytes(data))
    taken = 0
    for content in damaged:
        try:
            recipe, opened = mapper.recipe(found, content)
            made = as_png(content, opened, recipe)
        except Unusable:
            continue
        taken += 1
        assert made.endswith(PNG_END)
        (tmp_path / "made.png").write_bytes(made)
        assert read_recipe(tmp_path / "made.png") == recipe
    assert taken > 100
