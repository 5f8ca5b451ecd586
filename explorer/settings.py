"""Settings of the program, from EXPLORER_* environment variables and arguments.

Built once in `benchmark_app.py` and passed down; nothing else reads the environment.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PROJECT = Path(__file__).resolve().parent.parent


class Settings(BaseSettings):
    """Where things are and how the program serves. Every field is an EXPLORER_ variable."""

    model_config = SettingsConfigDict(env_prefix="EXPLORER_", frozen=True, populate_by_name=True)

    root: Path = Path("workspace")
    """The workspace: models, images, suites and the database live below it."""
    model_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    """Further folders to look for checkpoints in, separated by the system's path separator."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    precision: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    compile: bool = False
    """Compile the networks: slow at first, faster in long runs."""
    attention: str = ""
    """Attention backend by its name in diffusers, such as `sage`; empty takes the usual one."""
    part_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    """Diffusers folders from which files of one network alone take their other parts, first choice first."""
    picture_folders: Annotated[tuple[Path, ...], NoDecode] = ()
    """Folders of pictures made elsewhere that can be chosen by name, separated likewise."""
    offline: bool = False
    """Never ask the Hub."""
    hf_endpoint: str = "https://huggingface.co"
    """Where models of Hugging Face are fetched from; the token goes nowhere else."""
    civitai_endpoint: str = "https://civitai.com"
    """Likewise for Civitai."""
    hf_token: SecretStr | None = Field(None, validation_alias=AliasChoices("EXPLORER_HF_TOKEN", "HF_TOKEN"))
    civitai_token: SecretStr | None = Field(
        None, validation_alias=AliasChoices("EXPLORER_CIVITAI_TOKEN", "CIVITAI_TOKEN")
    )
    google_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("EXPLORER_GOOGLE_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")
    )
    openai_key: SecretStr | None = Field(
        None, validation_alias=AliasChoices("EXPLORER_OPENAI_KEY", "OPENAI_API_KEY")
    )
    gemini_url: str = "https://generativelanguage.googleapis.com"
    """Where Gemini is asked; its key goes nowhere else."""
    openai_url: str = "https://api.openai.com/v1"
    """Where the OpenAI-compatible server is; likewise."""
    answers_per_minute: float = Field(default=30.0, gt=0)
    """How many requests a minute an answerer behind an API gets."""
    answer_price: str = ""
    """What it takes in dollars per million tokens read and written, such as `0.30,2.50`."""
    downloads: int = Field(default=3, ge=1, le=16)
    """How many files are fetched at once."""
    features_mb: int = Field(default=2000, ge=0)
    """How much disk the metrics may take for what networks saw in pictures; the oldest goes first."""
    host: str = "127.0.0.1"
    port: int = Field(default=7860, ge=0, le=65535)
    assets: Path = PROJECT / "assets"
    prompts: Path = PROJECT / "prompts"

    @field_validator("hf_endpoint", "civitai_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        from urllib.parse import urlsplit

        parts = urlsplit(value)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        if not parts.hostname or (parts.scheme != "https" and not (local and parts.scheme == "http")):
            raise ValueError("give an https address; http is for this machine only")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("give the address of the site only")
        return value.rstrip("/")

    @field_validator("gemini_url", "openai_url")
    @classmethod
    def _service(cls, value: str) -> str:
        from urllib.parse import urlsplit

        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give the address of a server")
        if parts.username or parts.query or parts.fragment:
            raise ValueError("give the address of the server only")
        return value.rstrip("/")

    @field_validator("answer_price")
    @classmethod
    def _price(cls, value: str) -> str:
        parts = value.split(",") if value else []
        if value and (len(parts) != 2 or any(float(part) < 0 for part in parts)):
            raise ValueError("give two prices, such as 0.30,2.50")
        return value

    @field_validator("model_folders", "part_folders", "picture_folders", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        import os

        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value

    @property
    def private(self) -> bool:
        """Whether the page is for this computer only, so for the person who owns it."""
        return self.host in ("127.0.0.1", "localhost", "::1")

    @property
    def pictures(self) -> Path:
        """Pictures made elsewhere; each folder in it can be analyzed by its name."""
        return self.root / "pictures"

    @property
    def questions(self) -> Path:
        """Questions that a language model wrote, a file a prompt."""
        return self.root / "questions"

    @property
    def references(self) -> Path:
        """Reference pictures of prompts."""
        return self.root / "references"

    @property
    def checkpoints(self) -> Path:
        """Where the person's checkpoints are."""
        return self.root / "models" / "checkpoints"

    @property
    def loras(self) -> Path:
        """Where the person's LoRAs are."""
        return self.root / "models" / "loras"

    @property
    def images(self) -> Path:
        """Where pictures are kept."""
        return self.root / "images"

    @property
    def thumbnails(self) -> Path:
        """Small copies of the pictures for the page; may be deleted at any time."""
        return self.root / "thumbnails"

    @property
    def suites(self) -> Path:
        """The person's own suites."""
        return self.root / "suites"

    @property
    def features(self) -> Path:
        """What networks saw in pictures, for growing runs; may be deleted at any time."""
        return self.root / "features"

    @property
    def answers(self) -> Path:
        """What answerers behind an API said, so that nothing is asked twice."""
        return self.root / "answers.jsonl"

    @property
    def arena(self) -> Path:
        """Copies of pictures for people who vote; may be deleted at any time."""
        return self.root / "arena"

    @property
    def exports(self) -> Path:
        """Files made for download."""
        return self.root / "exports"

    @property
    def database(self) -> Path:
        """The index, with jobs and scores."""
        return self.root / "explorer.db"
