"""Civitai: what is offered, what of it is fetched, and whose file a hash is."""

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from explorer.downloads import Identity
from explorer.errors import AccessRefused, DownloadError, InvalidRequest
from explorer.events import ModelDone
from tests.explorer.downloads.conftest import TOKEN, Workplace
from tests.fake_hub import Answer, Seen, model_bytes, redirect, reply, sha256

LORA = model_bytes(120_000, lora=True)
OTHER = model_bytes(90_000, seed=4, lora=True)


def test_a_look_up_tells_what_there_is(place: Workplace) -> None:
    place.server.add_civitai(LORA)
    offer = place.fetcher().look_up("civitai:11")
    assert (offer.name, offer.version, offer.kind, offer.base) == ("Ink Style", "v2.0", "LORA", "SDXL 1.0")
    assert offer.description == "Draws with ink & brush.\nSecond line."
    assert offer.licence == (
        "commercial use: selling pictures, Civitai's service; credit the author; merges allowed; "
        "merges under the same terms"
    )
    assert offer.trigger_words == ("some style", "ink")
    assert offer.page == f"{place.server.url}/models/11?modelVersionId=22"
    (file,) = offer.files
    assert (file.sha256, file.precision) == (sha256(LORA), "fp16")
    assert offer.chosen == ("ink_v2.safetensors",)
    assert json.loads(json.dumps(offer.to_dict()))["early_access"] == ""


@pytest.mark.parametrize(
    "source",
    [
        "civitai:11",
        "civitai:11@22",
        "https://civitai.com/models/11/ink-style?modelVersionId=22",
        "https://civitai.com/model-versions/22",
        "urn:air:sdxl:lora:civitai:11@22",
        sha256(LORA),
    ],
)
def test_every_way_to_name_a_model_leads_to_it(place: Workplace, source: str) -> None:
    place.server.add_civitai(LORA)
    assert place.fetch(source) == [ModelDone("ink_v2", "lora", new=True)]
    assert (place.loras / "ink_v2.safetensors").read_bytes() == LORA
    card = json.loads((place.loras / "ink_v2.json").read_text())
    assert card["activation text"] == "some style, ink"
    assert (card["source"], card["baseModel"]) == ("civitai:11@22", "SDXL 1.0")
    assert TOKEN not in (place.loras / "ink_v2.json").read_text()


def test_the_token_is_sent_at_once_and_to_the_site_alone(place: Workplace) -> None:
    path = place.server.add_civitai(LORA)
    place.server.answers[path] = redirect(place.storage.as_localhost + "/r2/x?sig=1", 307)
    place.storage.answers["/r2/x?sig=1"] = Answer(LORA)
    place.fetch("civitai:11")
    assert {seen.token for seen in place.server.seen} == {f"Bearer {TOKEN}"}
    assert [seen.token for seen in place.storage.seen] == [None]
    assert not any("token" in seen.path for seen in place.server.seen)


def test_one_of_several_files(place: Workplace) -> None:
    file = place.server.civitai_file
    files = [
        file(LORA, 1, "a.safetensors"),
        file(OTHER, 2, "a.safetensors", metadata={"format": "SafeTensor", "fp": "fp32"}),
        file(b"x", 3, "a.ckpt", metadata={"format": "PickleTensor"}),
        file(b"x", 4, "data.zip", type="Training Data"),
        file(b"x", 5, "bad.safetensors", virusScanResult="Danger"),
    ]
    place.server.add_civitai(LORA, in_version={"files": files})
    place.server.answers["/api/download/models/22?fileId=2"] = Answer(OTHER)
    offer = place.fetcher().look_up("civitai:11")
    names = {f.name: f.usable for f in offer.files}
    assert names == {
        "a-1.safetensors": True,
        "a-2.safetensors": True,
        "a.ckpt": False,
        "data.zip": False,
        "bad.safetensors": False,
    }
    with pytest.raises(InvalidRequest, match=r"Choose a file: a-1.safetensors, a-2.safetensors"):
        place.fetch("civitai:11")
    with pytest.raises(DownloadError, match=r"scan found it dangerous"):
        place.fetch("civitai:11", files=("bad.safetensors",))
    assert place.fetch("civitai:11", variant="fp32") == [ModelDone("a-2", "lora", new=True)]


def test_the_primary_file_is_taken_when_nothing_is_chosen(place: Workplace) -> None:
    file = place.server.civitai_file
    files = [file(OTHER, 32, "pruned.safetensors"), file(LORA, 33, "full.safetensors", primary=True)]
    place.server.add_civitai(LORA, in_version={"files": files})
    assert place.fetch("civitai:11") == [ModelDone("full", "lora", new=True)]


def test_only_pickled_files(place: Workplace) -> None:
    files = [place.server.civitai_file(b"x", 33, "a.ckpt", primary=True)]
    place.server.add_civitai(LORA, in_version={"files": files})
    with pytest.raises(DownloadError, match=r"has only pickled files.*Choose a model"):
        place.fetch("civitai:11")


@pytest.mark.parametrize(
    "name", ["../../../escape.safetensors", "/escape.safetensors", "C:\\escape.safetensors"]
)
def test_hostile_names_lead_nowhere(place: Workplace, name: str) -> None:
    files = [place.server.civitai_file(LORA, 33, name, primary=True)]
    place.server.add_civitai(LORA, in_version={"files": files})
    (done,) = place.fetch("civitai:11")
    (model,) = place.root.rglob("*escape*.safetensors")
    assert model.parent == place.loras
    assert model.stem == done.name


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"mode": "TakenDown"}, "no longer gives out Ink Style"),
        ({"modelVersions": []}, "no longer gives out"),
        ({"in_version": {"usageControl": "Generation"}}, "on Civitai only"),
        ({"type": "Workflows"}, "no .safetensors file that can be used here"),
        ({"in_version": {"files": []}}, "no .safetensors file that can be used here"),
    ],
)
def test_what_cannot_be_had(place: Workplace, more: dict[str, Any], message: str) -> None:
    place.server.add_civitai(LORA, **more)
    with pytest.raises(DownloadError, match=message):
        place.fetch("civitai:11")


def test_an_unknown_version_names_those_there_are(place: Workplace) -> None:
    place.server.add_civitai(LORA)
    with pytest.raises(DownloadError, match=r"has no version 99 on Civitai. It has: 22"):
        place.fetch("civitai:11@99")
    with pytest.raises(DownloadError, match=r"Civitai has no model 12"):
        place.fetch("civitai:12")
    with pytest.raises(DownloadError, match=r"Civitai has no model with this hash"):
        place.fetch("0" * 64)


@pytest.mark.parametrize(
    ("answer", "token", "message"),
    [
        (
            reply(
                {
                    "error": "Early Access",
                    "deadline": "2030-01-01",
                    "message": "This asset is in Early Access",
                },
                403,
            ),
            True,
            "is in early access. Wait until it is over",
        ),
        (reply({"error": "Unauthorized"}, 401), False, "to signed-in people only. Then set CIVITAI_TOKEN"),
        (reply({"error": "Unauthorized"}, 401), True, "does not accept your token"),
        (reply({"error": "Forbidden"}, 403), True, "does not let you have"),
        (reply({"error": "File not found"}, 404), True, "Civitai has no ink_v2.safetensors"),
    ],
)
def test_a_closed_door_says_how_it_opens(place: Workplace, answer: Answer, token: bool, message: str) -> None:
    path = place.server.add_civitai(LORA)
    place.server.answers[path] = answer
    with pytest.raises(DownloadError, match=message) as caught:
        place.fetch("civitai:11", options=None if token else place.without_token())
    assert isinstance(caught.value, AccessRefused) == (answer.status != 404)
    assert len(place.server.requests(path)) == 1


def test_early_access_is_in_the_offer(place: Workplace) -> None:
    soon = (datetime.now(UTC) + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    place.server.add_civitai(LORA, in_version={"earlyAccessEndsAt": soon, "availability": "EarlyAccess"})
    assert place.fetcher().look_up("civitai:11").early_access == f"until {soon[:10]}"
    place.server.add_civitai(LORA, in_version={"earlyAccessEndsAt": "2020-01-01T00:00:00.000Z"})
    assert place.fetcher().look_up("civitai:11").early_access == ""


# previews


def picture(side: int = 1200) -> bytes:
    from PIL import Image

    stored = io.BytesIO()
    Image.new("RGB", (side, side // 2), "red").save(stored, "JPEG")
    return stored.getvalue()


def with_preview(place: Workplace, answer: Answer, **image: Any) -> None:
    images = [{"url": place.storage.as_localhost + "/p.jpeg", "type": "image", "nsfwLevel": 1} | image]
    place.server.add_civitai(LORA, in_version={"images": images})
    place.storage.answers["/p.jpeg"] = answer


def test_a_preview_is_stored_small(place: Workplace) -> None:
    from PIL import Image

    with_preview(place, Answer(picture()))
    place.fetch("civitai:11")
    with Image.open(place.loras / "ink_v2.preview.png") as stored:
        assert (stored.format, stored.size) == ("PNG", (768, 384))
    assert place.storage.seen[0].token is None


@pytest.mark.parametrize("answer", [Answer(b"<html>"), Answer(b"", 404), Answer(bytes(9_000_000))])
def test_without_a_preview_the_model_is_as_good(place: Workplace, answer: Answer) -> None:
    with_preview(place, answer)
    assert place.fetch("civitai:11") == [ModelDone("ink_v2", "lora", new=True)]
    assert any("has no preview picture" in notice for notice in place.notices)


@pytest.mark.parametrize("image", [{"nsfwLevel": 8}, {"nsfw": "X"}, {"type": "video"}, {"url": "file:///x"}])
def test_only_harmless_pictures_are_taken(place: Workplace, image: dict[str, Any]) -> None:
    with_preview(place, Answer(picture()), **image)
    place.fetch("civitai:11")
    assert place.storage.seen == []
    assert place.notices == []


# whose file is it


def by_hash(place: Workplace, known: dict[str, dict[str, Any]]) -> None:
    def answer(seen: Seen) -> Answer:
        asked = json.loads(seen.body)
        assert len(asked) <= 100
        return reply([known[digest] for digest in asked if digest in known])

    place.server.answers["/api/v1/model-versions/by-hash"] = answer


def version_of(digest: str, name: str) -> dict[str, Any]:
    return {
        "id": 22,
        "modelId": 11,
        "name": "v2.0",
        "baseModel": "SDXL 1.0",
        "trainedWords": ["ink"],
        "model": {"name": name, "type": "LORA"},
        "files": [{"hashes": {"SHA256": digest.upper()}}, {"hashes": {}}, {}],
    }


def test_local_files_are_named_by_their_hash(place: Workplace) -> None:
    digest = sha256(LORA)
    by_hash(place, {digest.upper(): version_of(digest, "Ink Style")})
    page = f"{place.server.url}/models/11?modelVersionId=22"
    known = Identity("Ink Style", "v2.0", "LORA", "SDXL 1.0", ("ink",), page, "civitai:11@22")
    assert place.fetcher().identify(digest) == known
    assert place.fetcher().identify("0" * 64) is None


def test_many_files_are_asked_for_in_batches(place: Workplace) -> None:
    digests = [sha256(str(number).encode()) for number in range(250)]
    by_hash(place, {digest.upper(): version_of(digest, digest[:4]) for digest in digests[::2]})
    found = place.fetcher().identify_many(digests)
    assert set(found) == set(digests[::2])
    assert found[digests[4]].name == digests[4][:4]
    assert len(place.server.seen) == 3


@pytest.mark.parametrize(
    "strange",
    [
        {
            "modelVersions": [
                {"id": 22, "files": [{}], "images": [3], "trainedWords": 5, "earlyAccessEndsAt": 7}
            ]
        },
        {"modelVersions": [{"id": "22"}], "allowCommercialUse": 3, "description": None},
        {"modelVersions": {"a": 1}},
    ],
)
def test_strange_answers_are_one_clear_line(place: Workplace, strange: dict[str, Any]) -> None:
    place.server.answers["/api/v1/models/11"] = reply({"id": 11, "name": "x", "type": "LORA"} | strange)
    with pytest.raises(DownloadError) as caught:
        place.fetch("civitai:11")
    assert "\n" not in str(caught.value)
