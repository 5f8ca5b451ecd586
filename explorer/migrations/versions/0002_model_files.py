"""What scans of the model folders found."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the index one step forward."""
    op.create_table(
        "model_files",
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("signature", sa.String(), nullable=False),
        sa.Column("layout", sa.String(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("path"),
    )


def downgrade() -> None:
    """Not offered: an older program cannot be promised to read newer rows."""
    raise NotImplementedError
