"""Scores in the index. It is also the metrics library's cache: the key says it all.

A row without a value says why; it is shown and exported, but never answered as a cached
value, so the next analysis tries again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from explorer import schema
from explorer.database import in_parts, reader
from explorer.types import ScoreRow
from metrics import CacheKey, Score

_PARTS = ("metric", "metric_version", "tier", "backbone", "revision", "preprocessing", "text_hash")


class Unit(NamedTuple):
    """What a value belongs to when that is not one picture."""

    level: str
    """"prompt" or "model"."""
    images: tuple[str, ...]


class ScoreStore:
    """Keeps scores by the digest of everything they depend on."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use an open database."""
        self._engine = engine
        self._read = reader(engine)

    def get_many(self, keys: Sequence[CacheKey]) -> dict[CacheKey, Score]:
        """The values known for these keys; unscored rows do not count."""
        table = schema.scores
        by_digest = {key.digest: key for key in keys}
        digests = list(by_digest)
        found: dict[CacheKey, Score] = {}
        with self._read.connect() as connection:
            for part in in_parts(digests):
                query = sa.select(table.c.key, table.c.value, table.c.detail).where(
                    table.c.key.in_(part), table.c.value.is_not(None)
                )
                for row in connection.execute(query):
                    found[by_digest[row.key]] = Score.of(row.value, **row.detail)
        return found

    def put_many(self, scores: Mapping[CacheKey, Score]) -> None:
        """Store scores, also those without a value: the reason is worth showing."""
        if not scores:
            return
        now = datetime.now(UTC).isoformat()
        values = [
            {
                "key": key.digest,
                "image_id": key.image_hash,
                "value": score.value,
                "reason": score.reason,
                "detail": dict(score.detail),
                "created": now,
                **{name: getattr(key, name) for name in _PARTS},
            }
            for key, score in scores.items()
        ]
        statement = insert(schema.scores).prefix_with("OR REPLACE")
        with self._engine.begin() as connection:
            connection.execute(statement, values)

    def link(self, units: Mapping[CacheKey, Unit]) -> None:
        """Say which pictures values belong to that are not of one picture alone.

        The metrics library knows such a value by a digest over all its pictures only.
        """
        table = schema.scores
        statement = (
            sa.update(table)
            .where(table.c.key == sa.bindparam("key_", type_=sa.String))
            .values(
                image_id=sa.bindparam("first", type_=sa.String),
                level=sa.bindparam("level_", type_=sa.String),
                unit=sa.bindparam("unit_", type_=sa.JSON),
            )
        )
        values = [
            {"key_": key.digest, "first": unit.images[0], "level_": unit.level, "unit_": list(unit.images)}
            for key, unit in units.items()
        ]
        if values:
            with self._engine.begin() as connection:
                connection.execute(statement, values)

    def count(self) -> int:
        """How many values are kept."""
        query = sa.select(sa.func.count()).where(schema.scores.c.value.is_not(None))
        with self._read.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def of_images(self, image_ids: Sequence[str]) -> list[ScoreRow]:
        """The newest score of each metric and tier for these pictures."""
        table = schema.scores
        rows: dict[tuple[Any, ...], ScoreRow] = {}
        with self._read.connect() as connection:
            for part in in_parts(image_ids):
                query = sa.select(table).where(table.c.image_id.in_(part)).order_by(table.c.created)
                for row in connection.execute(query):
                    # A later row replaces an earlier one: another weight revision, say.
                    rows[row.image_id, row.metric, row.tier, tuple(row.unit)] = score_row(row)
        return list(rows.values())

    def of_image(self, image_id: str) -> list[ScoreRow]:
        """The newest scores that this picture has a part in, those of its prompt and model too."""
        table = schema.scores
        member = sa.func.json_each(table.c.unit).table_valued("value")
        shared = sa.exists(sa.select(1).select_from(member).where(member.c.value == image_id))
        query = sa.select(table).where(table.c.level != "image", shared).order_by(table.c.created)
        with self._read.connect() as connection:
            rows = {(row.metric, row.tier): score_row(row) for row in connection.execute(query)}
        alone = [row for row in self.of_images([image_id]) if row.level == "image"]
        return [*alone, *rows.values()]

    def newest_value(self, image_id: sa.ColumnElement[str], metric: str) -> sa.ScalarSelect[Any]:
        """SQL for the newest value of a metric beside a picture; for sorting."""
        return self._newest(schema.scores.c.value, image_id, metric).scalar_subquery()

    def newest_failed(self, image_id: sa.ColumnElement[str], metric: str) -> sa.ColumnElement[bool]:
        """SQL for whether a metric's newest look at a picture found something wrong.

        That is a question with a wrong answer, or objects that are not as the prompt wants them.
        """
        detail = schema.scores.c.detail
        asked = sa.func.json_each(detail, "$.questions").table_valued("value")
        wrong = sa.exists(
            sa.select(1).select_from(asked).where(sa.func.json_extract(asked.c.value, "$.right") == 0)
        )
        missed = sa.and_(schema.scores.c.value == 0, sa.func.json_type(detail, "$.boxes").is_not(None))
        return self._newest(sa.or_(wrong, missed), image_id, metric).scalar_subquery()

    def newest_values(self, image_ids: Sequence[str], metric: str) -> dict[str, float]:
        """The newest value of a metric for those pictures that have one."""
        table, found = schema.scores.c, dict[str, float]()
        with self._read.connect() as connection:
            for part in in_parts(image_ids):
                query = sa.select(table.image_id, table.value).order_by(table.created)
                query = query.where(
                    table.metric == metric, table.image_id.in_(part), table.value.is_not(None)
                )
                found |= {row.image_id: row.value for row in connection.execute(query)}
        return found

    def _newest(
        self, wanted: sa.ColumnElement[Any], image_id: sa.ColumnElement[str], metric: str
    ) -> sa.Select[Any]:
        table = schema.scores
        query = sa.select(wanted).where(table.c.image_id == image_id, table.c.metric == metric)
        return query.order_by(table.c.created.desc()).limit(1)


def score_row(row: sa.Row[Any]) -> ScoreRow:
    """A table row as the record the rest of the program knows."""
    return ScoreRow(
        image_id=row.image_id,
        metric=row.metric,
        tier=row.tier,
        value=row.value,
        reason=row.reason,
        detail=row.detail,
        metric_version=row.metric_version,
        backbone=row.backbone,
        revision=row.revision,
        preprocessing=row.preprocessing,
        unit=tuple(row.unit),
        level=row.level,
    )
