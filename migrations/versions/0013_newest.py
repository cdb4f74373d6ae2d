"""The newest plays are found without a look at the older ones."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index trajectories by when they were stored."""
    op.create_index(op.f("ix_trajectory_stored_id"), "trajectory", ["stored", "id"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(op.f("ix_trajectory_stored_id"), "trajectory")
