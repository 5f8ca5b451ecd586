"""Looking at 100,000 pictures: what is filtered and sorted by is in indexes; marks; the trash."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_BROWSE = ["prompt_id", "seed", "model", "category", "difficulty", "prompt", "id", "cell"]


def upgrade() -> None:
    """Bring the index one step forward."""
    op.add_column("images", sa.Column("difficulty", sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE images SET difficulty = coalesce(json_extract(recipe, '$.difficulty'), '')")
    op.drop_index("ix_images_model", "images")
    op.create_index("ix_images_browse", "images", _BROWSE)
    op.create_index("ix_images_model", "images", ["model", "prompt_id", "seed"])
    op.create_index("ix_images_created", "images", ["created", "id"])
    op.drop_index("ix_run_cells_cell", "run_cells")
    op.create_index("ix_run_cells_cell", "run_cells", ["cell", "run"])
    op.create_index("ix_scores_newest", "scores", ["metric", "image_id", "created", "value"])
    op.create_table(
        "marks",
        sa.Column("image_id", sa.String(), primary_key=True),
        sa.Column("favourite", sa.Boolean(), nullable=False),
        sa.Column("stars", sa.Integer(), nullable=False),
    )
    op.create_table(
        "trash",
        sa.Column("id", sa.String(), primary_key=True),
        sa.Column("cell", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("recipe", sa.JSON(), nullable=False),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("deleted", sa.String(), nullable=False),
    )


def downgrade() -> None:
    """Not offered: an older program cannot be promised to read newer rows."""
    raise NotImplementedError
