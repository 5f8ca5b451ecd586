"""Keys by named parts; a reason is never a cached value."""

from dataclasses import fields, replace

import pytest

from metrics import CacheKey, MemoryCache, Score

KEY = CacheKey("image", "text", "clip_score", "1", "bundled", "net", "rev", "pre")


@pytest.mark.parametrize("part", [field.name for field in fields(CacheKey)])
def test_every_part_counts(part: str) -> None:
    assert replace(KEY, **{part: "other"}).digest != KEY.digest


def test_digest_is_stable_and_parts_do_not_run_together() -> None:
    assert KEY.digest == "bd6e77e06a7e4448d9fe9c27304711e200560c116cb3378becc72ed8ab8ffaaf"
    assert replace(KEY, image_hash="imaget", text_hash="ext").digest != KEY.digest


def test_memory_cache_keeps_values_only() -> None:
    cache = MemoryCache()
    other = replace(KEY, tier="standard")
    cache.put_many({KEY: Score.of(1.5), other: Score.unscored("no weights")})
    assert cache.get_many([KEY, other]) == {KEY: Score.of(1.5)}
    assert len(cache) == 1
