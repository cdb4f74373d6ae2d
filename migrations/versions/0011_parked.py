"""An arm whose plays are all lost to infrastructure rests for some rounds, and `v_curriculum` says until when."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', changed / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp(changed / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_CURRICULUM: Final = """
select name as arm, backends, family, tier, alpha / (alpha + beta) as pass_rate, low, high,
  alpha * beta / ((alpha + beta) * (alpha + beta + 1)) as learnability,
  weight, frozen, {parked}plays, wins, teacher_plays,
  cast(teacher_plays as double precision) / nullif(plays + teacher_plays, 0) as teacher_share,
  last_round, at_promotion as rate_at_promotion, alpha, beta, {iso} as changed
from arm
"""


def upgrade() -> None:
    """Say it of no arm."""
    op.execute("drop view v_curriculum")
    op.add_column("arm", sa.Column("rests_until", sa.Integer()))
    _view("rests_until, ")


def downgrade() -> None:
    """Forget it."""
    op.execute("drop view v_curriculum")
    op.drop_column("arm", "rests_until")
    _view("")


def _view(parked: str) -> None:
    connection = op.get_bind()
    query = V_CURRICULUM.format(parked=parked, iso=ISO[connection.dialect.name])
    connection.exec_driver_sql(f"create view v_curriculum as {query}")
