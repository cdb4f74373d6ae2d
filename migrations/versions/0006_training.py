"""The steps of every training, and their view."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
REAL = sa.Double().with_variant(sa.REAL(), "sqlite")
ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp(at / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_TRAINING: Final = """
create view v_training as
select round, step, steps, loss, heldout_loss, learning_rate, tokens_per_second, seconds_left, peak_gb, batch_tokens,
  {iso} as at
from training_step
"""


def upgrade() -> None:
    """Create the table and its view."""
    op.create_table(
        "training_step",
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("steps", sa.Integer(), nullable=False),
        sa.Column("loss", REAL, nullable=False),
        sa.Column("heldout_loss", REAL, nullable=True),
        sa.Column("learning_rate", REAL, nullable=True),
        sa.Column("tokens_per_second", REAL, nullable=True),
        sa.Column("seconds_left", REAL, nullable=True),
        sa.Column("peak_gb", REAL, nullable=True),
        sa.Column("batch_tokens", sa.Integer(), nullable=True),
        sa.Column("at", BIG, nullable=False),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_training_step_round")),
        sa.PrimaryKeyConstraint("round", "step", name=op.f("pk_training_step")),
        sqlite_strict=True,
    )
    connection = op.get_bind()
    connection.exec_driver_sql(V_TRAINING.format(iso=ISO[connection.dialect.name]))


def downgrade() -> None:
    """Drop both."""
    op.execute("drop view v_training")
    op.drop_table("training_step")
