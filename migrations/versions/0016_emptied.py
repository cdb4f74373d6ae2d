"""When the messages of a rejected play were deleted to make room."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

MOMENT: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column."""
    op.add_column("trajectory", sa.Column("emptied", MOMENT, nullable=True))


def downgrade() -> None:
    """Take it away."""
    op.drop_column("trajectory", "emptied")
