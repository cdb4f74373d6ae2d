"""Rounds and datasets are counted one at a time: what is asked of the newest does not count all that ever was."""

from typing import Final

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

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
ROWS: Final = "from dataset_row w join trajectory t on t.id = w.trajectory where w.dataset = d.id"

ROUNDS: Final = f"""
select r.id as round, r.state, r.reason, {{started}} as started, {{changed}} as changed,
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
"""  # noqa: S608 - nothing in it is from outside
DATASETS: Final = f"""
select d.id as dataset, r.id as round, d.rows, (select count(distinct t.task) {ROWS}) as tasks,
  (select count(*) {ROWS} and t.policy is not null) as student_rows,
  (select count(*) {ROWS} and t.policy is null) as teacher_rows,
  d.counts, d.rules, {{made}} as made
from dataset d
left join round r on r.dataset = d.id
"""  # noqa: S608 - as above

EARLIER_ROUNDS: Final = """
with played as (
  select round, count(*) as plays, sum(case when state = 'owed' then 1 else 0 end) as owed,
    sum(case when state = 'dead' then 1 else 0 end) as given_up
  from play group by round
), kept as (
  select round,
    sum(case when purpose = 'train' and policy is not null then 1 else 0 end) as student_plays,
    sum(case when purpose = 'train' and policy is not null and passed = 1 then 1 else 0 end) as student_accepted,
    sum(case when purpose = 'train' and policy is null then 1 else 0 end) as teacher_plays,
    sum(case when purpose = 'train' and policy is null and passed = 1 then 1 else 0 end) as teacher_accepted
  from trajectory group by round
), paid as (
  select round, sum(cost) as cost from teacher_call group by round
)
select r.id as round, r.state, r.reason, {started} as started, {changed} as changed,
  coalesce(played.plays, 0) as plays, cast(coalesce(played.owed, 0) as bigint) as plays_owed,
  cast(coalesce(played.given_up, 0) as bigint) as plays_given_up,
  cast(coalesce(kept.student_plays, 0) as bigint) as student_plays,
  cast(coalesce(kept.student_accepted, 0) as bigint) as student_accepted,
  cast(kept.student_accepted as double precision) / nullif(kept.student_plays, 0) as student_pass_rate,
  cast(coalesce(kept.teacher_plays, 0) as bigint) as teacher_plays,
  cast(coalesce(kept.teacher_accepted, 0) as bigint) as teacher_accepted,
  r.dataset, d.rows as dataset_rows, r.candidate, p.decision, p.reason as decision_reason,
  coalesce(paid.cost, 0.0) as cost_usd, r.config
from round r
left join played on played.round = r.id
left join kept on kept.round = r.id
left join paid on paid.round = r.id
left join dataset d on d.id = r.dataset
left join promotion p on p.round = r.id and p.candidate = r.candidate
where r.id > 0
"""
EARLIER_DATASETS: Final = """
with own as (
  select w.dataset, sum(case when t.policy is null then 0 else 1 end) as student_rows,
    sum(case when t.policy is null then 1 else 0 end) as teacher_rows, count(distinct t.task) as tasks
  from dataset_row w join trajectory t on t.id = w.trajectory group by w.dataset
)
select d.id as dataset, r.id as round, d.rows, coalesce(own.tasks, 0) as tasks,
  cast(coalesce(own.student_rows, 0) as bigint) as student_rows,
  cast(coalesce(own.teacher_rows, 0) as bigint) as teacher_rows, d.counts, d.rules, {made} as made
from dataset d
left join own on own.dataset = d.id
left join round r on r.dataset = d.id
"""


def upgrade() -> None:
    """Spell both views anew, and index what they and the tasks are looked up by."""
    op.create_index(op.f("ix_task_split_arm"), "task", ["split", "arm"])
    op.create_index(op.f("ix_round_dataset"), "round", ["dataset"])
    _views(ROUNDS, DATASETS)


def downgrade() -> None:
    """Count all again."""
    _views(EARLIER_ROUNDS, EARLIER_DATASETS)
    for table, columns in (("round", "dataset"), ("task", "split_arm")):
        op.drop_index(op.f(f"ix_{table}_{columns}"), table)


def _views(rounds: str, datasets: str) -> None:
    connection = op.get_bind()
    iso = ISO[connection.dialect.name]
    moments = {name: iso.format(column) for name, column in MOMENTS.items()}
    for name, query in (("v_rounds", rounds), ("v_datasets", datasets)):
        op.execute(f"drop view {name}")
        connection.exec_driver_sql(f"create view {name} as {query.format(**moments)}")


MOMENTS: Final = {"started": "r.started", "changed": "r.changed", "made": "d.made"}
"""The columns that are moments."""
