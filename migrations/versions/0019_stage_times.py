"""When a round entered and left its stages, and how much of that was work; `v_rounds` has the share that was not."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
STAGES: Final = "'sample', 'collect', 'check', 'train', 'gate', 'promote', 'done', 'failed'"
ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

PLAYS: Final = "select count(*) from play y where y.round = r.id"
STUDENT: Final = (
    "select count(*) from trajectory t where t.round = r.id and t.purpose = 'train' and t.policy is not null"
)
TEACHER: Final = "select count(*) from trajectory t where t.round = r.id and t.purpose = 'train' and t.policy is null"
TIMES: Final = "from stage_time s where s.round = r.id and s.ended is not null"
LASTED: Final = "sum(s.ended - s.entered - s.waited)"
ADDED: Final = f"""
  (select cast({LASTED} as double precision) / 1000000 {TIMES}) as seconds,
  (select 1 - cast(sum(s.worked) as double precision) / nullif({LASTED}, 0) {TIMES}) as overhead,
"""
ROUNDS: Final = f"""
select r.id as round, r.state, r.reason, {{started}} as started, {{changed}} as changed,{{added}}
  ({PLAYS}) as plays, ({PLAYS} and y.state = 'owed') as plays_owed, ({PLAYS} and y.state = 'dead') as plays_given_up,
  ({STUDENT}) as student_plays, ({STUDENT} and t.passed = 1) as student_accepted,
  cast(({STUDENT} and t.passed = 1) as double precision) / nullif(({STUDENT}), 0) as student_pass_rate,
  ({TEACHER}) as teacher_plays, ({TEACHER} and t.passed = 1) as teacher_accepted,
  r.dataset, d.rows as dataset_rows, r.candidate, p.decision, p.reason as decision_reason,
  coalesce((select sum(c.cost) from teacher_call c where c.round = r.id), 0.0) as cost_usd, r.config
from round r
left join dataset d on d.id = r.dataset
left join promotion p on p.round = r.id and p.candidate = r.candidate
where r.id > 0
"""  # noqa: S608 - as above


def upgrade() -> None:
    """Create the table, and spell the view anew."""
    op.create_table(
        "stage_time",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("entered", BIG, nullable=False),
        sa.Column("ended", BIG, nullable=True),
        sa.Column("worked", BIG, nullable=False),
        sa.Column("waited", BIG, nullable=False),
        sa.CheckConstraint(f"stage in ({STAGES})", name=op.f("ck_stage_time_stage")),
        sa.ForeignKeyConstraint(["round"], ["round.id"], name=op.f("fk_stage_time_round")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_stage_time")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_stage_time_round"), "stage_time", ["round"])
    _view(ADDED)


def downgrade() -> None:
    """Take both back."""
    _view("")
    op.drop_table("stage_time")


def _view(added: str) -> None:
    connection = op.get_bind()
    iso = ISO[connection.dialect.name]
    query = ROUNDS.format(started=iso.format("r.started"), changed=iso.format("r.changed"), added=added)
    op.execute("drop view v_rounds")
    connection.exec_driver_sql(f"create view v_rounds as {query}")
