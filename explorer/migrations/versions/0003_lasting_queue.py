"""A queue that lasts (priority, what was in hand when a process died, speeds); scores of several pictures."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the index one step forward."""
    for name in ("priority", "made"):
        op.add_column("jobs", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("scores", sa.Column("level", sa.String(), nullable=False, server_default="image"))
    op.add_column("scores", sa.Column("unit", sa.JSON(), nullable=False, server_default="[]"))
    op.create_table(
        "in_flight",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("owner", sa.Integer()),
        sa.Column("deaths", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "timings",
        sa.Column("device", sa.String(), nullable=False),
        sa.Column("checkpoint_hash", sa.String(), nullable=False),
        sa.Column("size", sa.String(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("device", "checkpoint_hash", "size"),
    )


def downgrade() -> None:
    """Not offered: an older program cannot be promised to read newer rows."""
    raise NotImplementedError
