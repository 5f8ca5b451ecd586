"""The tables of the index. Only `storage.py` and the migrations use them.

Pictures can be indexed again from their files; votes, jobs and scores live only here.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

images = Table(
    "images",
    metadata,
    Column("id", String, primary_key=True),  # SHA-256 of the file's bytes
    Column("cell", String, nullable=False, unique=True),
    Column("path", String, nullable=False),  # relative to the workspace's images folder
    Column("size_bytes", BigInteger, nullable=False),
    Column("model", String, nullable=False),
    Column("model_hash", String, nullable=False),
    Column("prompt", String, nullable=False),
    Column("prompt_id", String, nullable=False),
    Column("suite", String, nullable=False),
    Column("category", String, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("difficulty", String, nullable=False, server_default=""),
    # Holds all that pictures are filtered by, so that no filter reads the recipes.
    Index(
        "ix_images_browse", *("prompt_id", "seed", "model", "category", "difficulty", "prompt", "id", "cell")
    ),
    Index("ix_images_model", "model", "prompt_id", "seed"),
    Index("ix_images_created", "created", "id"),
)

marks = Table(
    "marks",
    metadata,
    Column("image_id", String, primary_key=True),
    Column("favourite", Boolean, nullable=False),
    Column("stars", Integer, nullable=False),  # 0: none given
)

trash = Table(
    "trash",
    metadata,
    Column("id", String, primary_key=True),
    Column("cell", String, nullable=False),
    Column("path", String, nullable=False),  # where it was, relative to the images folder
    Column("size_bytes", BigInteger, nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("deleted", String, nullable=False),
)

scores = Table(
    "scores",
    metadata,
    Column("key", String, primary_key=True),  # digest of everything the value depends on
    Column("image_id", String, nullable=False, index=True),
    Column("metric", String, nullable=False),
    Column("metric_version", String, nullable=False),
    Column("tier", String, nullable=False),
    Column("backbone", String, nullable=False),
    Column("revision", String, nullable=False),
    Column("preprocessing", String, nullable=False),
    Column("text_hash", String, nullable=False),
    Column("value", Float),
    Column("reason", String),
    Column("detail", JSON, nullable=False),
    Column("created", String, nullable=False),
    Column("level", String, nullable=False, server_default="image"),
    Column("unit", JSON, nullable=False, server_default="[]"),  # ids of all pictures it belongs to
    Index("ix_scores_newest", "metric", "image_id", "created", "value"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String, primary_key=True),  # digest of its cells
    Column("created", String, nullable=False),
    Column("title", String, nullable=False),
    Column("models", JSON, nullable=False),
    Column("suite", String, nullable=False),
    Column("categories", JSON, nullable=False),
    Column("request", JSON, nullable=False),
)

run_cells = Table(
    "run_cells",
    metadata,
    Column("run", String, ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("cell", String, nullable=False),
    Index("ix_run_cells_cell", "cell", "run"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    Column("title", String, nullable=False),
    Column("run", String, nullable=False),
    Column("request", JSON, nullable=False),
    Column("after", String),
    Column("created", String, nullable=False),
    Column("started", String),
    Column("ended", String),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("seconds_left", Float),
    Column("message", String, nullable=False),
    Column("error", String),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("made", Integer, nullable=False, server_default="0"),
)

job_failures = Table(
    "job_failures",
    metadata,
    Column("job", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("cell", String, primary_key=True),
    Column("label", String, nullable=False),
    Column("reason", String, nullable=False),
)

job_notices = Table(
    "job_notices",
    metadata,
    Column("job", String, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("text", String, primary_key=True),
)

in_flight = Table(
    "in_flight",
    metadata,
    Column("key", String, primary_key=True),  # a cell, the loading of a model, or a scoring
    Column("owner", Integer),  # process that works on it; NULL when none does
    Column("deaths", Integer, nullable=False),  # processes that ended in the middle of it
)

timings = Table(
    "timings",
    metadata,
    Column("device", String, primary_key=True),
    Column("checkpoint_hash", String, primary_key=True),
    Column("size", String, primary_key=True),  # "512x768", or empty for loading
    Column("seconds", Float, nullable=False),  # of one pass of one picture, or of one loading
)

file_hashes = Table(
    "file_hashes",
    metadata,
    Column("path", String, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("sha256", String, nullable=False),
)

model_files = Table(
    "model_files",
    metadata,
    Column("path", String, primary_key=True),
    Column("signature", String, nullable=False),  # size and time of the file and of what lies beside it
    Column("layout", String, nullable=False),
    Column("facts", JSON, nullable=False),
)

votes = Table(
    "votes",
    metadata,
    Column("ballot", String, primary_key=True),  # chosen by the voter's side: a repetition is known as one
    Column("number", Integer, primary_key=True),
    Column("showing", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("voter", String, nullable=False),
    Column("run", String, nullable=False),
    Column("prompt", String, nullable=False),
    Column("prompt_id", String, nullable=False),
    Column("suite", String, nullable=False),
    Column("category", String, nullable=False),
    Column("seed", String, nullable=False),  # as text: other tools draw seeds up to 2**64
    Column("first_image", String, nullable=False),  # a vote outlives its pictures: no foreign keys
    Column("first_model", String, nullable=False),
    Column("first_hash", String, nullable=False),
    Column("second_image", String),  # NULL for a rating of one picture
    Column("second_model", String),
    Column("second_hash", String),
    Column("outcome", String, nullable=False),
    Column("stars", Integer),
    Column("created", String, nullable=False),
    Column("undone", String),  # when it was taken back
    Index("ix_votes_showing", "showing", "number", unique=True),  # one showing takes one ballot
    Index("ix_votes_voter", "voter"),
    Index("ix_votes_undone", "undone"),
)

showings = Table(
    "showings",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("voter", String, nullable=False),
    Column("created", String, nullable=False),
    Column("content", JSON, nullable=False),  # whose the pictures are; gone once there is a vote
    Index("ix_showings_created", "created"),
)
