"""The arena: votes, and what is shown before one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the index one step forward."""
    op.create_table(
        "votes",
        sa.Column("ballot", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("showing", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("prompt_id", sa.String(), nullable=False),
        sa.Column("suite", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("seed", sa.String(), nullable=False),
        sa.Column("first_image", sa.String(), nullable=False),
        sa.Column("first_model", sa.String(), nullable=False),
        sa.Column("first_hash", sa.String(), nullable=False),
        sa.Column("second_image", sa.String()),
        sa.Column("second_model", sa.String()),
        sa.Column("second_hash", sa.String()),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("stars", sa.Integer()),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("undone", sa.String()),
        sa.PrimaryKeyConstraint("ballot", "number"),
    )
    op.create_index("ix_votes_showing", "votes", ["showing", "number"], unique=True)
    op.create_index("ix_votes_voter", "votes", ["voter"])
    op.create_index("ix_votes_undone", "votes", ["undone"])
    op.create_table(
        "showings",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("voter", sa.String(), nullable=False),
        sa.Column("created", sa.String(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_showings_created", "showings", ["created"])


def downgrade() -> None:
    """Not offered: an older program cannot be promised to read newer rows."""
    raise NotImplementedError
