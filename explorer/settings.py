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

    @field_validator("model_folders", "part_folders", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        import os

        if isinstance(value, str):
            return tuple(Path(part) for part in value.split(os.pathsep) if part)
        return value

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
    def exports(self) -> Path:
        """Files made for download."""
        return self.root / "exports"

    @property
    def database(self) -> Path:
        """The index, with jobs and scores."""
        return self.root / "explorer.db"
