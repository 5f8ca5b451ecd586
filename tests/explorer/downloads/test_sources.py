import pytest

from explorer.downloads.sources import CivitaiSource, HubCollection, HubSource, parse
from explorer.errors import InvalidRequest

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("hf:owner/name", HubSource("owner/name")),
        (" hf:owner/name ", HubSource("owner/name")),
        ("HF:owner/name/a.safetensors", HubSource("owner/name", file="a.safetensors")),
        ("hf:owner/name/unet/a b.safetensors", HubSource("owner/name", file="unet/a b.safetensors")),
        ("hf:owner/name@v1.0/a.safetensors", HubSource("owner/name", "v1.0", "a.safetensors")),
        ("https://huggingface.co/owner/name", HubSource("owner/name")),
        ("https://hf.co/owner/name/", HubSource("owner/name")),
        ("https://huggingface.co/owner/name/tree/main", HubSource("owner/name")),
        ("https://huggingface.co/owner/name/tree/dev/unet", HubSource("owner/name", "dev")),
        (
            "https://huggingface.co/owner/name/blob/main/x/a%20b.safetensors",
            HubSource("owner/name", file="x/a b.safetensors"),
        ),
        (
            "https://huggingface.co/owner/name/resolve/main/a.safetensors?download=true",
            HubSource("owner/name", file="a.safetensors"),
        ),
        ("https://mirror.example/owner/name", HubSource("owner/name")),
        ("https://huggingface.co/collections/owner/best-65f0", HubCollection("owner/best-65f0")),
        ("hf:collections/owner/best-65f0", HubCollection("owner/best-65f0")),
        ("civitai:123", CivitaiSource(123)),
        ("civitai:123@456", CivitaiSource(123, 456)),
        ("civitai:@456", CivitaiSource(0, 456)),
        ("https://civitai.com/models/123", CivitaiSource(123)),
        ("https://civitai.com/models/123/some-name?modelVersionId=456", CivitaiSource(123, 456)),
        ("https://www.civitai.red/models/123", CivitaiSource(123)),
        ("https://civitai.com/model-versions/456", CivitaiSource(0, 456)),
        ("https://civitai.com/api/download/models/456?type=Model", CivitaiSource(0, 456)),
        ("urn:air:sdxl:checkpoint:civitai:123@456", CivitaiSource(123, 456)),
        ("urn:air:sd1:lora:civitai:123", CivitaiSource(123)),
        ("air:flux1:lora:civitai:123@456?name=x", CivitaiSource(123, 456)),
        ("urn:air:sd1:checkpoint:huggingface:owner/name@main", HubSource("owner/name")),
        (HASH, CivitaiSource(file_hash=HASH)),
        (f"sha256:{HASH.upper()}", CivitaiSource(file_hash=HASH)),
        ("hash:0123456789", CivitaiSource(file_hash="0123456789")),
    ],
)
def test_what_people_paste_is_understood(text: str, source: object) -> None:
    found = parse(text, "mirror.example", "civitai.com")
    assert found == source
    assert parse(str(found)) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No model is named"),
        ("owner/name", "write hf:owner/name"),
        ("model.safetensors", "names no model"),
        ("hf:", "names no model"),
        ("hf:owner", "names no model"),
        ("hf:../../etc", "names no model"),
        ("hf:owner/name/../../x", "names no model"),
        ("hf:owner/name@../x", "names no model"),
        ("hf:owner/na?me", "names no model"),
        ("civitai:", "names no model"),
        ("civitai:abc", "names no model"),
        ("civitai:1@x", "names no model"),
        ("hf:owner/name\nx", "No model is named"),
        ("https://example.com/a/b", "Hugging Face and Civitai only, not from example.com"),
        ("https://huggingface.co.evil.example/a/b", "only, not from"),
        ("https://huggingface.co/datasets/a/b", "datasets, not of a model"),
        ("https://huggingface.co/", "names no model"),
        ("https://civitai.com/images/1", "names no model"),
        ("https://civitai.com/collections/1", "paste the address of one model"),
        ("file:///etc/passwd", "names no model"),
        ("http://[::1", "names no model"),
        ("x" * 3000, "No model is named"),
    ],
)
def test_what_names_nothing_says_what_to_write(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message.replace("?", r"\?")):
        parse(text)
