"""What counts: sealed twins for no promotion, unsound tasks for no rate, a suite's own checkers for its ledger."""

from typing import Final

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

JUDGED: Final = (
    "from gate_result g where g.candidate = new.candidate "
    "and g.champion = (select p.id from policy p where p.standing = 'champion'){counts}"
)
DECIDING: Final = " and replace(g.gate, '-sealed', '') = g.gate"
REFUSED: Final = (
    "new.decision = 'promoted' and (new.gates < 1 "
    f"or exists (select 1 {JUDGED} and g.verdict <> 'holds') "
    f"or (select count(*) {JUDGED} and g.verdict = 'holds') <> new.gates)"
)
MESSAGE: Final = "loopd: refused: not every gate holds for exactly this candidate beside the present champion"
SQLITE: Final = (
    "drop trigger refuse_promotion_gates",
    f"""
create trigger refuse_promotion_gates before insert on promotion when {REFUSED}
begin select raise(abort, '{MESSAGE}'); end
""",
)
POSTGRESQL: Final = (
    f"""
create or replace function refuse_promotion_gates() returns trigger language plpgsql as $$
begin
  if {REFUSED} then
    raise exception '{MESSAGE}' using errcode = 'integrity_constraint_violation';
  end if;
  return new;
end $$
""",
)

SOUND: Final = " where not exists (select 1 from defect f where f.task = score.task and f.kind = 'unsound')"

V_SUITES: Final = """
with of_task as (
  select suite, subject, policy, fingerprint, task, count(*) as samples, avg(passed) as rate, max(scored) as scored
  from score{sound} group by suite, subject, policy, fingerprint, task
), scored as (
  select suite, subject, policy, fingerprint, count(*) as tasks, sum(samples) as samples,
    cast(avg(rate) as double precision) as rate, max(scored) as scored
  from of_task group by suite, subject, policy, fingerprint
)
select s.name as suite, s.id as digest, s.tasks, (select count(*) from opening o where o.suite = s.id) as openings,
  c.subject as player, p.standing, c.tasks as tasks_scored, cast(c.samples as bigint) as samples, c.rate as pass_rate,
  c.fingerprint, {iso} as scored
from suite s
left join scored c on c.suite = s.id
left join policy p on p.id = c.policy
"""

V_TRANSFER: Final = """
with of_task as (
  select policy, suite, fingerprint, task, avg(passed) as rate
  from score{sound} {and_where} policy is not null group by policy, suite, fingerprint, task
), evaluated as (
  select o.policy, o.suite, o.fingerprint, b.backend, count(*) as tasks, cast(avg(o.rate) as double precision) as rate
  from of_task o join task_backend b on b.task = o.task group by o.policy, o.suite, o.fingerprint, b.backend
), trained as (
  select r.candidate as policy, r.id as round, b.backend, count(*) as rows, max(d.rows) as all_rows
  from round r
  join dataset d on d.id = r.dataset
  join dataset_row w on w.dataset = d.id
  join trajectory t on t.id = w.trajectory
  join task_backend b on b.task = t.task
  where r.candidate is not null
  group by r.candidate, r.id, b.backend
)
select n.round, n.policy, p.standing, n.backend as trained_backend, n.rows as trained_rows,
  cast(n.rows as double precision) / nullif(n.all_rows, 0) as trained_share, e.backend as evaluated_backend,
  s.name as suite, e.tasks, e.rate as pass_rate, o.rate as parent_pass_rate, e.rate - o.rate as difference
from trained n
join policy p on p.id = n.policy
join evaluated e on e.policy = n.policy
join suite s on s.id = e.suite
left join evaluated o on o.policy = p.parent and o.suite = e.suite and o.fingerprint = e.fingerprint
  and o.backend = e.backend
"""

TRIED_ONCE: Final = """
with tried as (
  select task, count(*) as plays, sum(case when passed = 1 then 1 else 0 end) as wins
  from trajectory where policy is null and player not in ('scripted', 'cloned') and passed is not null group by task
)"""
TRIED: Final = """
with judged as (
  select trajectory, max(passed) as passed from score where policy is null and trajectory is not null
  group by trajectory
), tried as (
  select t.task, count(*) as plays, sum(case when coalesce(j.passed, t.passed) = 1 then 1 else 0 end) as wins
  from trajectory t left join judged j on j.trajectory = t.id
  where t.policy is null and t.player not in ('scripted', 'cloned', 'idle') and coalesce(j.passed, t.passed) is not null
  group by t.task
)"""
V_LEDGER: Final = """{tried}
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


def upgrade() -> None:
    """Spell the trigger and the views anew."""
    _spell(counts=DECIDING, sound=SOUND, tried=TRIED)


def downgrade() -> None:
    """Spell them as they were."""
    _spell(counts="", sound="", tried=TRIED_ONCE)


def _spell(*, counts: str, sound: str, tried: str) -> None:
    connection = op.get_bind()
    name = connection.dialect.name
    for statement in POSTGRESQL if name == "postgresql" else SQLITE:
        connection.exec_driver_sql(statement.format(counts=counts))
    iso, and_where = ISO[name].format("c.scored"), "and" if sound else "where"
    for view, query in (
        ("v_suites", V_SUITES.format(sound=sound, iso=iso)),
        ("v_transfer", V_TRANSFER.format(sound=sound, and_where=and_where)),
        ("v_ledger", V_LEDGER.format(tried=tried)),
    ):
        connection.exec_driver_sql(f"drop view {view}")
        connection.exec_driver_sql(f"create view {view} as {query}")
