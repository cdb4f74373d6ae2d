"""The views: what people and programs may rely on (docs/sql.md). Tables may change; these columns only grow.

Joins that always find their row are left joins all the same: a database may then leave out what nobody asked for.
"""

from typing import Final

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ISO: Final = {
    "sqlite": "strftime('%Y-%m-%dT%H:%M:%fZ', {0} / 1000000.0, 'unixepoch')",
    "postgresql": """to_char(to_timestamp({0} / 1000000.0) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')""",
}
"""Microseconds since the epoch as ISO 8601, in UTC."""

V_ROUNDS: Final = """
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
select r.id as round, r.state, r.reason, {iso:r.started} as started, {iso:r.changed} as changed,
  coalesce(played.plays, 0) as plays, {int:coalesce(played.owed, 0)} as plays_owed,
  {int:coalesce(played.given_up, 0)} as plays_given_up,
  {int:coalesce(kept.student_plays, 0)} as student_plays, {int:coalesce(kept.student_accepted, 0)} as student_accepted,
  {rate:kept.student_accepted, kept.student_plays} as student_pass_rate,
  {int:coalesce(kept.teacher_plays, 0)} as teacher_plays, {int:coalesce(kept.teacher_accepted, 0)} as teacher_accepted,
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

V_CURRICULUM: Final = """
select name as arm, backends, family, tier, alpha / (alpha + beta) as pass_rate, low, high,
  alpha * beta / ((alpha + beta) * (alpha + beta + 1)) as learnability,
  weight, frozen, plays, wins, teacher_plays, {rate:teacher_plays, plays + teacher_plays} as teacher_share,
  last_round, at_promotion as rate_at_promotion, alpha, beta, {iso:changed} as changed
from arm
"""

V_TRAJECTORIES: Final = """
select t.id as trajectory, t.round, t.purpose, t.task, k.arm, k.backends, k.family, k.tier, t.split, t.player, t.policy,
  s.name as suite, t.sample, t.ending, t.passed as accepted, t.turns, t.calls, t.prompt_tokens, t.cached_tokens,
  t.completion_tokens, t.requests, t.cost as cost_usd, t.seconds, t.rule, {iso:t.started} as started,
  {iso:t.stored} as stored
from trajectory t
left join task k on k.id = t.task
left join suite s on s.id = t.suite
"""

V_MESSAGES: Final = """
select m.trajectory, m.place, m.turn, m.role, coalesce(p.content, m.content) as content, m.body as rest
from message m
left join prompt p on p.id = m.prompt
"""

V_TOOL_CALLS: Final = """
select c.trajectory, c.place, c.turn, c.tool, c.arguments, c.ok, m.content as result, t.round, t.purpose, t.player,
  t.policy, t.passed as accepted
from tool_call c
left join trajectory t on t.id = c.trajectory
left join message m on m.trajectory = c.trajectory and m.place = c.result
"""

V_VERDICTS: Final = """
select v.trajectory, v.checker, v.version, v.passed, v.score, v.reason, v.evidence, t.round, t.player, t.task,
  {iso:v.judged} as judged
from verdict v
left join trajectory t on t.id = v.trajectory
"""

V_POLICIES: Final = """
select p.id as policy, p.standing, p.round, p.parent, p.base, p.adapter, p.adapter_path, p.template,
  s.content as system_prompt, d.rows as dataset_rows, c.decision, c.reason, {iso:c.decided} as decided,
  {iso:p.added} as added
from policy p
join prompt s on s.id = p.system
left join round r on r.id = p.round
left join dataset d on d.id = r.dataset
left join promotion c on c.id = (select max(o.id) from promotion o where o.candidate = p.id)
"""

V_GATES: Final = """
select g.round, g.gate, g.verdict, g.reason, g.champion_rate, g.candidate_rate, g.difference, g.low, g.high, g.margin,
  g.tasks, g.samples, g.improved,
  case when exists (select 1 from gate_pause w where w.gate in (g.gate, 'all')) then 1 else 0 end as paused,
  g.candidate, g.champion, {iso:g.judged} as judged
from gate_result g
"""

V_TRANSFER: Final = """
with of_task as (
  select policy, suite, fingerprint, task, avg(passed) as rate
  from score where policy is not null group by policy, suite, fingerprint, task
), evaluated as (
  select o.policy, o.suite, o.fingerprint, b.backend, count(*) as tasks, {real:avg(o.rate)} as rate
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
  {rate:n.rows, n.all_rows} as trained_share, e.backend as evaluated_backend, s.name as suite, e.tasks,
  e.rate as pass_rate, o.rate as parent_pass_rate, e.rate - o.rate as difference
from trained n
join policy p on p.id = n.policy
join evaluated e on e.policy = n.policy
join suite s on s.id = e.suite
left join evaluated o on o.policy = p.parent and o.suite = e.suite and o.fingerprint = e.fingerprint
  and o.backend = e.backend
"""

V_SPEND: Final = """
select teacher, round, substr({iso:reserved}, 1, 10) as day, count(*) as calls,
  {int:sum(case when state = 'sent' then 1 else 0 end)} as calls_open,
  {int:sum(case when outcome = 'ok' then 1 else 0 end)} as calls_ok,
  {int:sum(prompt_tokens)} as prompt_tokens, {int:sum(cached_tokens)} as cached_tokens,
  {int:sum(completion_tokens)} as completion_tokens, {int:sum(requests)} as requests, sum(cost) as cost_usd,
  sum(case when state = 'sent' then cost else 0.0 end) as cost_usd_reserved
from teacher_call
group by teacher, round, substr({iso:reserved}, 1, 10)
"""

V_SUITES: Final = """
with of_task as (
  select suite, subject, policy, fingerprint, task, count(*) as samples, avg(passed) as rate, max(scored) as scored
  from score group by suite, subject, policy, fingerprint, task
), scored as (
  select suite, subject, policy, fingerprint, count(*) as tasks, sum(samples) as samples, {real:avg(rate)} as rate,
    max(scored) as scored
  from of_task group by suite, subject, policy, fingerprint
)
select s.name as suite, s.id as digest, s.tasks, (select count(*) from opening o where o.suite = s.id) as openings,
  c.subject as player, p.standing, c.tasks as tasks_scored, {int:c.samples} as samples, c.rate as pass_rate,
  c.fingerprint, {iso:c.scored} as scored
from suite s
left join scored c on c.suite = s.id
left join policy p on p.id = c.policy
"""

V_TASKS: Final = """
select k.id as task, k.arm, k.backends, k.family, k.tier, k.generator, k.seed, k.split, k.leak_group, k.source, k.turns,
  k.planned_calls, (select count(*) from defect f where f.task = k.id) as flaws, k.body, {iso:k.added} as added
from task k
"""

V_DATASETS: Final = """
with own as (
  select w.dataset, sum(case when t.policy is null then 0 else 1 end) as student_rows,
    sum(case when t.policy is null then 1 else 0 end) as teacher_rows, count(distinct t.task) as tasks
  from dataset_row w join trajectory t on t.id = w.trajectory group by w.dataset
)
select d.id as dataset, r.id as round, d.rows, coalesce(own.tasks, 0) as tasks,
  {int:coalesce(own.student_rows, 0)} as student_rows, {int:coalesce(own.teacher_rows, 0)} as teacher_rows,
  d.counts, d.rules, {iso:d.made} as made
from dataset d
left join own on own.dataset = d.id
left join round r on r.dataset = d.id
"""

VIEWS: Final = {
    "v_rounds": V_ROUNDS,
    "v_curriculum": V_CURRICULUM,
    "v_tasks": V_TASKS,
    "v_trajectories": V_TRAJECTORIES,
    "v_messages": V_MESSAGES,
    "v_tool_calls": V_TOOL_CALLS,
    "v_verdicts": V_VERDICTS,
    "v_datasets": V_DATASETS,
    "v_policies": V_POLICIES,
    "v_gates": V_GATES,
    "v_transfer": V_TRANSFER,
    "v_spend": V_SPEND,
    "v_suites": V_SUITES,
}


class Expressions:
    """What the two databases spell differently, as format specifications: `{iso:column}`, `{rate:part, whole}`."""

    def __init__(self, word: str, dialect: str) -> None:
        self.word, self.dialect = word, dialect

    def __format__(self, inner: str) -> str:
        """Spell one expression."""
        if self.word == "iso":
            return ISO[self.dialect].format(inner)
        if self.word == "rate":
            part, whole = inner.rsplit(", ", 1)
            return f"cast({part} as double precision) / nullif({whole}, 0)"
        return f"cast({inner} as {'bigint' if self.word == 'int' else 'double precision'})"


def upgrade() -> None:
    """Create the views."""
    connection = op.get_bind()
    words = {word: Expressions(word, connection.dialect.name) for word in ("iso", "rate", "int", "real")}
    for name, query in VIEWS.items():
        connection.exec_driver_sql(f"create view {name} as {query.format(**words)}")


def downgrade() -> None:
    """Drop the views."""
    for name in reversed(VIEWS):
        op.execute(f"drop view {name}")
