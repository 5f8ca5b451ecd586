"""Models from Hugging Face and Civitai: look up, fetch, resume, verify, place.

`Fetcher` is the door. Nothing outside this package talks to either site.
"""

from explorer.downloads.civitai import Identity
from explorer.downloads.fetcher import Fetcher
from explorer.downloads.identifier import Finding, Identifier, can_be_asked, unknown
from explorer.downloads.offers import Choice, Offer, RemoteFile
from explorer.downloads.options import FetchOptions, Patience, Site

__all__ = [
    "Choice",
    "FetchOptions",
    "Fetcher",
    "Finding",
    "Identifier",
    "Identity",
    "Offer",
    "Patience",
    "RemoteFile",
    "Site",
    "can_be_asked",
    "unknown",
]
