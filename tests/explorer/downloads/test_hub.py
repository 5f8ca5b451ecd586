"""Hugging Face: what is offered, what of it is fetched, who is let in."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from explorer.downloads.hub import folder_files
from explorer.downloads.offers import Offer, RemoteFile, file_kind
from explorer.errors import AccessRefused, DownloadError, InvalidRequest, UnknownName
from explorer.events import ModelDone
from tests.explorer.downloads.conftest import TOKEN, Workplace
from tests.fake_hub import COMMIT, Answer, model_bytes, reply, sha256

MODEL, LORA = model_bytes(100_000), model_bytes(50_000, seed=1, lora=True)
INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "image_encoder": [None, None],
}
WEIGHTS = "diffusion_pytorch_model"


def pipeline() -> dict[str, bytes]:
    """A repository as they are: several precisions and formats of everything."""
    config = b'{"a": 1}'
    return {
        "README.md": b"# x",
        "model_index.json": json.dumps(INDEX).encode(),
        "unet/config.json": config,
        f"unet/{WEIGHTS}.safetensors": model_bytes(80_000, seed=2),
        f"unet/{WEIGHTS}.fp16.safetensors": model_bytes(40_000, seed=3),
        f"unet/{WEIGHTS}.non_ema.safetensors": model_bytes(80_000, seed=4),
        f"unet/{WEIGHTS}.bin": b"pickle",
        "unet/model.onnx": b"onnx",
        "vae/config.json": config,
        f"vae/{WEIGHTS}.safetensors": model_bytes(20_000, seed=5),
        "vae/flax_model.msgpack": b"flax",
        "vae_1_0/config.json": config,
        f"vae_1_0/{WEIGHTS}.safetensors": model_bytes(20_000, seed=6),
        "scheduler/scheduler_config.json": config,
        "safety_checker/config.json": config,
        "safety_checker/model.safetensors": model_bytes(90_000, seed=7),
        "all_in_one.safetensors": MODEL,
    }


def names_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# look-up


def test_a_look_up_tells_what_there_is(place: Workplace) -> None:
    place.server.add_repo(
        "owner/name",
        {"a_fp16.safetensors": MODEL, "b.safetensors": LORA, "c.ckpt": b"x", "config.json": b"{}"},
        gated="auto",
        tags=["lora", "license:mit"],
        cardData={"license": "other", "license_name": "own", "base_model": ["x/y"], "instance_prompt": "ink"},
    )
    offer = place.fetcher().look_up("hf:owner/name")
    assert (offer.name, offer.kind, offer.base, offer.licence) == ("owner/name", "LoRA", "x/y", "other, own")
    assert offer.trigger_words == ("ink",)
    assert "accepted (auto)" in offer.gated
    assert offer.version == COMMIT
    files = {file.name: file for file in offer.files}
    assert files["a_fp16.safetensors"].precision == "fp16"
    assert files["a_fp16.safetensors"].sha256 == sha256(MODEL)
    assert files["b.safetensors"].size == len(LORA)
    assert not files["c.ckpt"].usable
    record = json.loads(json.dumps(offer.to_dict()))
    assert record["files"][0]["usable"] is True
    assert TOKEN not in json.dumps(record)


def test_a_revision_is_asked_for_by_its_name(place: Workplace) -> None:
    place.server.add_repo("owner/name", {"a.safetensors": MODEL})
    place.server.answers["/api/models/owner/name/revision/v1.5"] = place.server.answers.pop(
        "/api/models/owner/name"
    )
    assert place.fetch("hf:owner/name@v1.5") == [ModelDone("a", "checkpoint", new=True)]


def test_a_collection_lets_choose_its_models(place: Workplace) -> None:
    items = [
        {"type": "model", "id": "a/one"},
        {"type": "dataset", "id": "a/data"},
        {"type": "model", "id": "a/two"},
    ]
    place.server.answers["/api/collections/a/best-1"] = reply({"title": "Best", "items": items})
    place.server.add_repo("a/two", {"two.safetensors": LORA})
    source = "https://huggingface.co/collections/a/best-1"
    offer = place.fetcher().look_up(source)
    assert [choice.source for choice in offer.choices] == ["hf:a/one", "hf:a/two"]
    with pytest.raises(InvalidRequest, match=r"is a collection. Choose models of it as files: a/one, a/two"):
        place.fetch(source)
    with pytest.raises(UnknownName, match=r"Did you mean .*a/two"):
        place.fetch(source, files=("a/twoo",))
    with pytest.raises(InvalidRequest, match=r"One name cannot"):
        place.fetch(source, files=("a/one", "a/two"), name="mine")
    assert place.fetch(source, files=("a/two",)) == [ModelDone("two", "lora", new=True)]


# single files


def test_what_is_inside_decides_the_folder(place: Workplace) -> None:
    place.server.add_repo("owner/styles", {"pytorch_lora_weights.safetensors": LORA})
    assert place.fetch("hf:owner/styles") == [ModelDone("styles", "lora", new=True)]
    assert place.models() == ["loras/styles.safetensors"]
    card = json.loads((place.loras / "styles.json").read_text())
    assert (card["name"], card["sha256"]) == ("owner/styles", sha256(LORA))
    assert card["page"] == f"{place.server.url}/owner/styles"


def test_one_of_several_files(place: Workplace) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL, "b_fp16.safetensors": LORA, "c.ckpt": b"x"})
    with pytest.raises(InvalidRequest, match=r"Choose a file: a.safetensors, b_fp16.safetensors"):
        place.fetch("hf:o/n")
    with pytest.raises(UnknownName, match=r"Did you mean a.safetensors"):
        place.fetch("hf:o/n", files=("aa.safetensors",))
    with pytest.raises(UnknownName, match=r"Unknown file"):
        place.fetch("hf:o/n/zzz.safetensors")
    with pytest.raises(InvalidRequest, match=r"One name cannot"):
        place.fetch("hf:o/n", files=("a.safetensors", "b_fp16.safetensors"), name="x")
    assert place.fetch("hf:o/n/a.safetensors", name="mine") == [ModelDone("mine", "checkpoint", new=True)]
    assert place.fetch("hf:o/n", variant="fp16") == [ModelDone("b_fp16", "lora", new=True)]
    assert place.models() == ["checkpoints/mine.safetensors", "loras/b_fp16.safetensors"]


@pytest.mark.parametrize("source", ["hf:o/n", "hf:o/n/model.ckpt", "hf:o/n/pytorch_model.bin"])
def test_pickled_files_are_refused(place: Workplace, source: str) -> None:
    place.server.add_repo("o/n", {"model.ckpt": b"x", "pytorch_model.bin": b"y", "config.json": b"{}"})
    with pytest.raises(DownloadError, match=r"pickled.*can run code when.*Choose"):
        place.fetch(source)
    assert not any("/resolve/" in seen.path for seen in place.server.seen)


def test_a_repository_without_models(place: Workplace) -> None:
    place.server.add_repo("o/n", {"README.md": b"x"})
    with pytest.raises(DownloadError, match=r"has no .safetensors file"):
        place.fetch("hf:o/n")


def test_a_taken_name_is_told_before_anything_is_fetched(place: Workplace) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    place.loras.mkdir(parents=True)
    (place.loras / "a.safetensors").write_bytes(LORA)
    with pytest.raises(DownloadError, match=r"another a.safetensors already. Choose another name"):
        place.fetch("hf:o/n")
    assert not any("/resolve/" in seen.path for seen in place.server.seen)
    assert place.fetch("hf:o/n", name="b") == [ModelDone("b", "checkpoint", new=True)]


def test_the_same_file_put_there_by_hand_is_recognised(place: Workplace) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    place.checkpoints.mkdir(parents=True)
    (place.checkpoints / "a.safetensors").write_bytes(MODEL)
    assert place.fetch("hf:o/n") == [ModelDone("a", "checkpoint", new=False)]


@pytest.mark.parametrize(
    "name",
    [
        "../../escape.safetensors",
        "/etc/escape.safetensors",
        "a/../../escape.safetensors",
        "..\\escape.safetensors",
        "C:\\escape.safetensors",
        "a\nb.safetensors",
        "a\x00b.safetensors",
        ".",
        "",
        "x" * 300 + ".safetensors",
    ],
)
def test_hostile_names_lead_nowhere(place: Workplace, name: str) -> None:
    place.server.add_repo("o/n", {name: MODEL, "good.safetensors": MODEL})
    offer = place.fetcher().look_up("hf:o/n")
    assert [file.usable for file in offer.files] == [False, True]
    assert place.fetch("hf:o/n") == [ModelDone("good", "checkpoint", new=True)]
    assert list(place.root.rglob("*escape*")) == []


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("../../x", "x"),
        ("my+model:2", "my-model-2"),
        (".hidden", "hidden"),
        ("con", "model-con"),
        ("a/b\\c", "a-b-c"),
        ("…", "…"),
        ("\x07", "model"),
        ("name.safetensors", "name"),
        ("x" * 400, "x" * 180),
        ("é" * 200, "é" * 90),
    ],
)
def test_names_people_give_stay_names(place: Workplace, wanted: str, name: str) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    assert place.fetch("hf:o/n", name=wanted) == [ModelDone(name, "checkpoint", new=True)]
    assert place.models() == [f"checkpoints/{name}.safetensors"]


# whole folders


def test_a_diffusers_folder_has_what_is_needed_and_no_more(place: Workplace) -> None:
    files = pipeline()
    place.server.add_repo("owner/pipe", files)
    offer = place.fetcher().look_up("hf:owner/pipe")
    assert offer.layout == "diffusers"
    assert place.fetch("hf:owner/pipe") == [ModelDone("pipe", "checkpoint", new=True)]
    folder = place.checkpoints / "pipe"
    assert names_below(folder) == [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        f"unet/{WEIGHTS}.safetensors",
        "vae/config.json",
        f"vae/{WEIGHTS}.safetensors",
    ]
    assert all((folder / name).read_bytes() == files[name] for name in names_below(folder))
    assert set(offer.chosen) == set(names_below(folder))
    assert offer.to_dict()["chosen_bytes"] == sum(len(files[name]) for name in names_below(folder))
    assert json.loads((place.checkpoints / "pipe.json").read_text())["source"] == "hf:owner/pipe"
    assert place.parts() == []
    assert place.fetch("hf:owner/pipe") == [ModelDone("pipe", "checkpoint", new=False)]


def test_a_precision_is_stored_under_the_usual_names(place: Workplace) -> None:
    files = pipeline()
    place.server.add_repo("owner/pipe", files)
    place.fetch("hf:owner/pipe", variant="fp16", name="half")
    folder = place.checkpoints / "half"
    assert (folder / f"unet/{WEIGHTS}.safetensors").read_bytes() == files[f"unet/{WEIGHTS}.fp16.safetensors"]
    # There is no half of it.
    assert (folder / f"vae/{WEIGHTS}.safetensors").read_bytes() == files[f"vae/{WEIGHTS}.safetensors"]


def test_one_file_of_a_diffusers_repository(place: Workplace) -> None:
    place.server.add_repo("owner/pipe", pipeline())
    done = place.fetch("hf:owner/pipe", files=("all_in_one.safetensors",))
    assert done == [ModelDone("all_in_one", "checkpoint", new=True)]


def test_a_part_that_is_only_pickled_refuses_the_whole(place: Workplace) -> None:
    files = {n: d for n, d in pipeline().items() if not (n.startswith("unet/") and n.endswith("safetensors"))}
    place.server.add_repo("owner/pipe", files)
    assert place.fetcher().look_up("hf:owner/pipe").chosen == ()
    with pytest.raises(DownloadError, match=r"its unet only as a pickled file"):
        place.fetch("hf:owner/pipe")
    assert place.models() == []


def test_a_folder_is_not_seen_before_it_is_whole_and_continues(place: Workplace) -> None:
    files = pipeline()
    place.server.add_repo("owner/pipe", files)
    path = place.server.resolve("owner/pipe", f"vae/{WEIGHTS}.safetensors")
    good = place.server.answers[path]
    place.server.answers[path] = Answer(b"{}", 404)
    with pytest.raises(DownloadError, match=r"Hugging Face has no vae"):
        place.fetch("hf:owner/pipe")
    assert not (place.checkpoints / "pipe").exists()
    place.server.answers[path] = good
    place.server.seen.clear()
    place.fetch("hf:owner/pipe")
    assert (place.checkpoints / f"pipe/vae/{WEIGHTS}.safetensors").read_bytes() == files[
        f"vae/{WEIGHTS}.safetensors"
    ]
    again = [seen.path for seen in place.server.seen if "unet" in seen.path]
    assert len(again) <= 1  # what was whole is not fetched again


@pytest.mark.parametrize(
    "there", ["checkpoints/pipe/x", "checkpoints/pipe.safetensors", "loras/pipe.safetensors"]
)
def test_what_is_in_the_way_is_not_overwritten(place: Workplace, there: str) -> None:
    place.server.add_repo("owner/pipe", pipeline())
    place.server.add_repo("owner/file", {"pipe.safetensors": MODEL})
    path = place.root / "models" / there
    path.parent.mkdir(parents=True)
    path.write_bytes(LORA)
    for source in ("hf:owner/pipe", "hf:owner/file"):
        with pytest.raises(DownloadError, match=r"There is another pipe.* already"):
            place.fetch(source)
    assert path.read_bytes() == LORA


def test_a_cache_on_another_disk_is_copied(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    def refuse(*paths: object) -> None:
        raise OSError("Invalid cross-device link")

    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    blob = place.root / "hub" / "models--o--n" / "blobs" / sha256(MODEL)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(MODEL)
    monkeypatch.setattr(os, "link", refuse)
    place.fetch("hf:o/n")
    assert (place.checkpoints / "a.safetensors").read_bytes() == MODEL
    assert not (place.checkpoints / "a.safetensors").samefile(blob)


def test_a_compressed_answer_is_understood(place: Workplace) -> None:
    import gzip

    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    plain = place.server.answers["/api/models/o/n"]
    assert isinstance(plain, Answer)
    headers = plain.headers | {"Content-Encoding": "gzip"}
    place.server.answers["/api/models/o/n"] = replace(plain, body=gzip.compress(plain.body), headers=headers)
    assert place.fetcher().look_up("hf:o/n").chosen == ("a.safetensors",)
    path = place.server.resolve("o/n", "a.safetensors")
    place.server.answers[path] = Answer(gzip.compress(MODEL), headers={"Content-Encoding": "gzip"})
    with pytest.raises(DownloadError, match=r"in a form nobody asked for"):
        place.fetch("hf:o/n")


def test_never_more_transfers_at_once_than_allowed(place: Workplace) -> None:
    files = pipeline()
    place.server.add_repo("owner/pipe", files)
    now, most, change = [0], [0], threading.Condition()

    for name, data in files.items():
        path = place.server.resolve("owner/pipe", name)

        def counted(seen: object, data: bytes = data, name: str = name) -> Answer:
            with change:
                now[0] += 1
                most[0] = max(most[0], now[0])
                change.notify_all()
                if name != "model_index.json":  # the look-up asks for it alone
                    change.wait_for(lambda: most[0] > 1, timeout=10)
            time.sleep(0.05)
            with change:
                now[0] -= 1
            return Answer(data)

        place.server.answers[path] = counted
    place.fetch("hf:owner/pipe", options=place.options(parallel=2))
    assert most[0] == 2


def offer_of(*names: str) -> Offer:
    files = tuple(RemoteFile(name, name, 1, kind=file_kind(name)) for name in names)
    return Offer("hf:o/n", "hf", "o/n", "", "diffusers", files)


def test_split_weights_keep_their_names_and_their_index() -> None:
    shards = [f"transformer/{WEIGHTS}-0000{n}-of-00002.safetensors" for n in (1, 2)]
    half = [f"transformer/{WEIGHTS}.fp16-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = f"transformer/{WEIGHTS}.safetensors.index.json"
    half_index = f"transformer/{WEIGHTS}.safetensors.index.fp16.json"
    offer = offer_of("model_index.json", "transformer/config.json", *shards, *half, index, half_index)
    assert set(folder_files(offer, {"transformer"}, "")) == {
        *("model_index.json", "transformer/config.json", index, *shards)
    }
    in_half = folder_files(offer, {"transformer"}, "fp16")
    assert set(in_half) == {"model_index.json", "transformer/config.json", index, *half}
    assert in_half[index].name == half_index


def test_the_only_precision_there_is_will_do() -> None:
    offer = offer_of("model_index.json", "unet/config.json", f"unet/{WEIGHTS}.fp16.safetensors")
    assert f"unet/{WEIGHTS}.safetensors" in folder_files(offer, None, "")


# who is let in


@pytest.mark.parametrize(
    ("status", "code", "token", "message"),
    [
        (401, "GatedRepo", False, "is gated. Accept its terms on its page. Then set HF_TOKEN"),
        (403, "GatedRepo", True, "is gated, and your account has not been let in"),
        (401, "", False, "to signed-in people only. Then set HF_TOKEN"),
        (401, "", True, "does not accept your token"),
        (403, "", True, "does not let you have"),
    ],
)
def test_a_closed_door_says_how_it_opens(
    place: Workplace, status: int, code: str, token: bool, message: str
) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    path = place.server.resolve("o/n", "a.safetensors")
    place.server.answers[path] = reply({"error": "no"}, status, X_Error_Code=code)
    with pytest.raises(AccessRefused, match=message) as caught:
        place.fetch("hf:o/n", options=None if token else place.without_token())
    assert TOKEN not in str(caught.value)
    assert len(place.server.requests(path)) == 1  # asking again would not help


def test_a_gated_pipeline_can_still_be_looked_up(place: Workplace) -> None:
    place.server.add_repo("owner/pipe", pipeline(), gated="manual")
    place.server.answers[place.server.resolve("owner/pipe", "model_index.json")] = reply(
        {}, 403, X_Error_Code="GatedRepo"
    )
    offer = place.fetcher().look_up("hf:owner/pipe")
    assert offer.gated
    assert f"unet/{WEIGHTS}.safetensors" in offer.chosen
    with pytest.raises(AccessRefused, match=r"gated"):
        place.fetch("hf:owner/pipe")


def test_an_unknown_repository(place: Workplace) -> None:
    place.server.answers["/api/models/o/nope"] = reply({}, 401, X_Error_Code="RepoNotFound")
    with pytest.raises(
        DownloadError, match=r"has no repository o/nope; look for a slip.*private, set HF_TOKEN"
    ):
        place.fetcher().look_up("hf:o/nope")
    with pytest.raises(DownloadError, match=r"has no repository o/other"):
        place.fetcher().look_up("hf:o/other")


@pytest.mark.parametrize(
    "body", [b"<html>sign in</html>", b"", b"[1, 2]", b'{"siblings": 3}', b"[" * 100_000]
)
def test_a_strange_answer_is_one_clear_line(place: Workplace, body: bytes) -> None:
    place.server.answers["/api/models/o/n"] = Answer(body, ranges=False)
    with pytest.raises(DownloadError) as caught:
        place.fetch("hf:o/n")
    assert "\n" not in str(caught.value)


def test_a_token_for_one_call_replaces_the_one_in_the_settings(place: Workplace) -> None:
    from pydantic import SecretStr

    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    place.fetcher().look_up("hf:o/n", token=SecretStr(" other-one \n"))
    assert place.server.seen[-1].token == "Bearer other-one"
    with pytest.raises(InvalidRequest, match=r"holds characters that no token has") as caught:
        place.fetcher().look_up("hf:o/n", token=SecretStr("sécret"))
    assert "cret" not in str(caught.value)


# the Hub's own cache


@pytest.mark.parametrize("where", ["blobs", "snapshots"])
def test_what_the_cache_has_is_not_fetched(place: Workplace, where: str) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    cache = place.root / "hub" / "models--o--n"
    at = {
        "blobs": cache / "blobs" / sha256(MODEL),
        "snapshots": cache / "snapshots" / COMMIT / "a.safetensors",
    }
    at[where].parent.mkdir(parents=True)
    at[where].write_bytes(MODEL)
    assert place.fetch("hf:o/n") == [ModelDone("a", "checkpoint", new=True)]
    assert place.server.requests(place.server.resolve("o/n", "a.safetensors")) == []
    model = place.checkpoints / "a.safetensors"
    assert model.read_bytes() == MODEL
    assert model.samefile(at[where])  # no second copy on the disk
    model.unlink()
    assert at[where].read_bytes() == MODEL


def test_a_damaged_cache_is_passed_over_and_left_alone(place: Workplace) -> None:
    place.server.add_repo("o/n", {"a.safetensors": MODEL})
    blob = place.root / "hub" / "models--o--n" / "blobs" / sha256(MODEL)
    blob.parent.mkdir(parents=True)
    blob.write_bytes(bytes(len(MODEL)))
    place.fetch("hf:o/n")
    assert (place.checkpoints / "a.safetensors").read_bytes() == MODEL
    assert blob.read_bytes() == bytes(len(MODEL))


def test_the_card_is_read_by_the_scan(place: Workplace) -> None:
    from explorer.recognition.sidecars import facts_from_sidecars

    place.server.add_repo(
        "o/n",
        {"a.safetensors": LORA},
        cardData={"license": "mit", "base_model": "x/SDXL", "instance_prompt": "ink, brush"},
    )
    place.fetch("hf:o/n")
    facts = facts_from_sidecars([place.loras / "a.json"])
    assert (facts.title, facts.base, facts.licence) == ("o/n", "x/SDXL", "mit")
    assert facts.trigger_words == ("ink", "brush")
