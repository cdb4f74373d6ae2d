"""The soundness ledger: replays of plans, and the views of it; openings of sealed suites."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_LEDGER: Final = """
with tried as (
  select task, count(*) as plays, sum(case when passed = 1 then 1 else 0 end) as wins
  from trajectory where policy is null and player not in ('scripted', 'cloned') and passed is not null group by task
)
select s.name as suite, s.id as digest, w.place, w.task, k.source, k.arm,
  (select count(*) from defect f where f.task = w.task) as flaws,
  case when exists (select 1 from defect f where f.task = w.task and f.kind = 'unsound') then 0 else 1 end as sound,
  r.passed as replays, r.reason as replay_reason, coalesce(t.plays, 0) as teacher_plays,
  cast(coalesce(t.wins, 0) as bigint) as teacher_wins,
  case when t.plays > 0 then case when t.wins > 0 then 1 else 0 end else r.passed end as passable
from suite s
join suite_task w on w.suite = s.id
join task k on k.id = w.task
left join replay r on r.task = w.task
left join tried t on t.task = w.task
"""

V_FLAWS: Final = """
select f.task, k.source as task_source, k.arm, k.split, f.kind, f.source, f.note, {added} as added
from defect f
left join task k on k.id = f.task
"""

V_OPENINGS: Final = """
select o.round, s.name as suite, o.policy, {opened} as opened
from opening o
left join suite s on s.id = o.suite
"""


def upgrade() -> None:
    """Create the table and the views."""
    op.create_table(
        "replay",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("passed", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("replayed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.CheckConstraint("passed in (0, 1)", name=op.f("ck_replay_passed")),
        sa.ForeignKeyConstraint(["task"], ["task.id"], name=op.f("fk_replay_task")),
        sa.PrimaryKeyConstraint("task", name=op.f("pk_replay")),
        sqlite_strict=True,
    )
    iso = ISO[op.get_bind().dialect.name]
    for name, query in (
        ("v_ledger", V_LEDGER),
        ("v_flaws", V_FLAWS.format(added=iso.format("f.added"))),
        ("v_openings", V_OPENINGS.format(opened=iso.format("o.opened"))),
    ):
        op.get_bind().exec_driver_sql(f"create view {name} as {query}")


def downgrade() -> None:
    """Drop them."""
    for name in ("v_openings", "v_flaws", "v_ledger"):
        op.execute(f"drop view {name}")
    op.drop_table("replay")
