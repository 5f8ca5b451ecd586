"""Fetcher: look up what a source offers, fetch what was chosen, and name local files by their hash."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from explorer.compute import Tell
from explorer.downloads.civitai import Identity, identify_files, look_up_model
from explorer.downloads.delivery import Delivery, FindCached
from explorer.downloads.hub import (
    cached_file,
    folder_files,
    look_up_collection,
    look_up_repository,
    read_index,
)
from explorer.downloads.offers import Offer, RemoteFile, names_in_short
from explorer.downloads.options import Cancel, FetchOptions, Site
from explorer.downloads.sources import CivitaiSource, HubCollection, HubSource, Source, parse
from explorer.downloads.web import Web
from explorer.errors import DownloadError, ExplorerError, InvalidRequest, UnknownName
from explorer.events import Progress
from explorer.requests import FetchRequest


def never() -> bool:
    """Nobody stops the work."""
    return False


class Fetcher:
    """Models from the two sites. Holds settings only; any thread may call it."""

    def __init__(self, options: FetchOptions) -> None:
        """Ask nothing yet."""
        self._options = options

    def look_up(self, source: str, cancel: Cancel = never, token: SecretStr | None = None) -> Offer:
        """What a source offers: name, base, licence, and files to choose from.

        Args:
            source: `hf:owner/name[/file]`, `civitai:ID[@VERSION]`, an AIR, a page address, or a hash.
            cancel: Whether the person stopped the work.
            token: Used for this call instead of the one in the settings.

        Raises:
            InvalidRequest: The source names nothing.
            DownloadError: The site has no such model or does not answer; says what to do.
            Cancelled: The person stopped the work.
        """
        place = self.parse(source)
        web = Web(self._site(place, token), self._options.patience, cancel)
        if isinstance(place, HubSource):
            return look_up_repository(web, place)
        if isinstance(place, HubCollection):
            return look_up_collection(web, place)
        return look_up_model(web, place)

    def fetch(
        self, request: FetchRequest, cancel: Cancel, tell: Tell, token: SecretStr | None = None
    ) -> None:
        """Bring a model into the workspace; what is there already is not fetched again.

        Args:
            request: What to fetch.
            cancel: Whether the person stopped the work; heeded within a second.
            tell: Takes Progress (in megabytes), Notice, and a ModelDone for each model.
            token: Used for this call instead of the one in the settings.

        Raises:
            InvalidRequest: It is not clear what to fetch; says what to choose.
            DownloadError: It cannot be had; says what to do.
            DiskFull: It does not fit.
            Cancelled: The person stopped the work; what arrived is kept.
        """
        tell(Progress(0, 0, "looking it up"))
        place = self.parse(request.source)
        offer = self.look_up(request.source, cancel, token)
        if offer.layout == "collection":
            for member in _members(offer, request):
                self.fetch(replace(request, source=member, files=()), cancel, tell, token)
            return
        site = self._site(place, token)
        delivery = Delivery(self._options, site, offer, cancel, tell)
        find = self._finder(place, offer)
        if offer.layout == "diffusers" and not request.files:
            web = Web(site, self._options.patience, cancel)
            components = read_index(web, offer)
            delivery.folder(folder_files(offer, components, request.variant), request.name, find)
        else:
            delivery.files(choose(offer, request), request.name, find)

    def identify(self, sha256: str, cancel: Cancel = never) -> Identity | None:
        """What Civitai knows about a local file; None when it does not know it.

        Raises:
            DownloadError: Civitai does not answer.
        """
        return self.identify_many([sha256], cancel).get(sha256.lower())

    def identify_many(self, hashes: Iterable[str], cancel: Cancel = never) -> dict[str, Identity]:
        """What Civitai knows about local files, by SHA-256; unknown ones are left out.

        Raises:
            DownloadError: Civitai does not answer.
        """
        web = Web(self._site(CivitaiSource(), None), self._options.patience, cancel)
        return identify_files(web, hashes)

    def check_online(self) -> None:
        """Refuse what needs the network when the person wants none.

        Raises:
            DownloadError: The program is set to stay offline.
        """
        if self._options.offline:
            raise DownloadError("The program is set to stay offline. Unset EXPLORER_OFFLINE to go online.")

    def parse(self, source: str) -> Source:
        """Read a source; asks nobody.

        Raises:
            InvalidRequest: It names nothing; says what can be written.
        """
        return parse(source, self._options.hub.origin[1], self._options.civitai.origin[1])

    def without_secrets(self, request: FetchRequest) -> FetchRequest:
        """The same request as it may be stored: a pasted address can hold a token.

        Raises:
            InvalidRequest: The source names nothing.
        """
        return replace(request, source=str(self.parse(request.source)))

    def _site(self, place: Source, token: SecretStr | None) -> Site:
        self.check_online()
        site = self._options.civitai if isinstance(place, CivitaiSource) else self._options.hub
        return replace(site, token=token) if token and token.get_secret_value().strip() else site

    def _finder(self, place: Source, offer: Offer) -> FindCached:
        if not isinstance(place, HubSource):
            return lambda file: None
        cache = self._options.hub_cache or _hub_cache()
        return lambda file: cached_file(cache, place, offer, file)


def choose(offer: Offer, request: FetchRequest) -> list[RemoteFile]:
    """The files a request means.

    Raises:
        InvalidRequest: Several could be meant, or one does not exist.
        DownloadError: One of them cannot be used here; says why.
    """
    names = request.files or offer.chosen
    if request.variant and not request.files:
        weights = [file for file in offer.files if file.usable and file.kind == "weights"]
        fitting = [file.name for file in weights if file.precision == request.variant]
        if len(fitting) != 1:
            kinds = sorted({file.precision for file in weights if file.precision})
            raise UnknownName("precision", request.variant, kinds)
        names = tuple(fitting)
    if not names:
        raise _no_choice(offer)
    files = [offer.file(name) for name in dict.fromkeys(names)]
    for file in files:
        if not file.usable or file.kind != "weights":
            reason = file.note or "no .safetensors file"
            raise DownloadError(f"{file.name} is not fetched: {reason}. Choose a .safetensors file.")
    if request.name and len(files) > 1:
        raise InvalidRequest("One name cannot be given to several files. Fetch them one by one.")
    return files


def _no_choice(offer: Offer) -> ExplorerError:
    """What to do when nothing is chosen and there is no single thing to take."""
    usable = [file.name for file in offer.files if file.kind == "weights" and file.usable]
    if usable:
        return InvalidRequest(f"{offer.name} has several models. Choose a file: {names_in_short(usable)}.")
    if any(file.kind == "pickle" for file in offer.files):
        return DownloadError(
            f"{offer.name} has only pickled files (.ckpt, .bin, .pt), which can run code when they are "
            "opened. Choose a model with .safetensors files."
        )
    return DownloadError(f"{offer.name} has no .safetensors file that can be used here. Choose another one.")


def _members(offer: Offer, request: FetchRequest) -> list[str]:
    """The sources chosen from a collection.

    Raises:
        InvalidRequest: None was chosen, or one is not in the collection.
    """
    names = request.files
    known = {choice.name: choice.source for choice in offer.choices}
    known |= {choice.source: choice.source for choice in offer.choices}
    if not names:
        listed = ", ".join(choice.name for choice in offer.choices[:12]) or "none that can be used here"
        raise InvalidRequest(f"{offer.name} is a collection. Choose models of it as files: {listed}.")
    if request.name and len(names) > 1:
        raise InvalidRequest("One name cannot be given to several models. Fetch them one by one.")
    for name in names:
        if name not in known:
            raise UnknownName("model of the collection", name, (choice.name for choice in offer.choices))
    return [known[name] for name in names]


def _hub_cache() -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE)
