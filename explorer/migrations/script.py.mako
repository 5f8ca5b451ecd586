"""${message}."""

import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the index one step forward."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Not offered: an older program cannot be promised to read newer rows."""
    raise NotImplementedError
