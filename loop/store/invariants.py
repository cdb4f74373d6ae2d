"""The store's invariants that one query can tell (docs/sql.md has the tables' meaning; rules 4 to 6 of the design)."""

from typing import Final, NamedTuple


class Invariant(NamedTuple):
    """One invariant: a query that answers the keys of the rows of a table that break it."""

    table: str
    fault: str
    query: str


INVARIANTS: Final = (
    Invariant(
        "policy",
        "one of several champions",
        "select id from policy where standing = 'champion' "
        "and (select count(*) from policy where standing = 'champion') > 1",
    ),
    Invariant(
        "policy",
        "champion, but the latest decision crowned another",
        "select p.id from policy p where p.standing = 'champion' and p.id is distinct from "
        "(select o.candidate from promotion o where o.decision <> 'rejected' order by o.id desc limit 1)",
    ),
    Invariant(
        "promotion",
        "it crowned a policy, and no policy is champion",
        "select max(id) from promotion where decision <> 'rejected' "
        "and not exists (select 1 from policy where standing = 'champion') having max(id) is not null",
    ),
    Invariant(
        "promotion",
        "promoted without its gates",
        "select o.id from promotion o where o.decision = 'promoted' and (o.gates < 1 "
        "or o.gates > (select count(*) from gate_result g where g.candidate = o.candidate and g.champion = o.champion "
        "and g.gate not like '%-sealed') "
        "or exists (select 1 from gate_result g where g.candidate = o.candidate and g.champion = o.champion "
        "and g.gate not like '%-sealed' and g.verdict <> 'holds' and g.judged <= o.decided))",
    ),
    Invariant(
        "task",
        "its leak group lies in another split",
        "select k.id from task k join leak_group g on g.name = k.leak_group where g.split <> k.split",
    ),
    Invariant(
        "trajectory",
        "its task lies in another split",
        "select t.id from trajectory t join task k on k.id = t.task where k.split <> t.split",
    ),
    Invariant(
        "dataset_row",
        "no training play of a training task",
        "select w.dataset || ' ' || w.place from dataset_row w join trajectory t on t.id = w.trajectory "
        "join task k on k.id = t.task where t.split <> 'train' or k.split <> 'train' or t.purpose <> 'train'",
    ),
    Invariant(
        "dataset",
        "it does not have the rows that it counts",
        "select d.id from dataset d where d.rows <> (select count(*) from dataset_row w where w.dataset = d.id) "
        "or d.rows <> coalesce((select max(w.place) + 1 from dataset_row w where w.dataset = d.id), 0)",
    ),
    Invariant(
        "suite",
        "it does not have the tasks that it counts",
        "select s.id from suite s where s.tasks <> (select count(*) from suite_task w where w.suite = s.id) "
        "or s.tasks <> coalesce((select max(w.place) + 1 from suite_task w where w.suite = s.id), 0)",
    ),
    Invariant(
        "trajectory",
        "accepted without the verdicts of the required checkers",
        "select t.id from trajectory t where t.passed = 1 and t.purpose = 'train' and t.round > 0 and exists "
        "(select 1 from required_checker r where not exists (select 1 from verdict v where v.trajectory = t.id "
        "and v.checker = r.name and v.version = r.version and v.passed = 1))",
    ),
    Invariant(
        "trajectory",
        "accepted without a verdict",
        "select t.id from trajectory t where t.passed = 1 "
        "and not exists (select 1 from verdict v where v.trajectory = t.id)",
    ),
    Invariant(
        "trajectory",
        "accepted, though its audit failed",
        "select t.id from trajectory t join audit a on a.trajectory = t.id where t.passed = 1 and a.passed = 0",
    ),
    Invariant(
        "trajectory",
        "it does not have the calls that it counts",
        "select t.id from trajectory t where t.emptied is null and t.calls <> "
        "(select count(*) from tool_call c where c.trajectory = t.id)",
    ),
    Invariant(
        "trajectory",
        "its messages were deleted, though a dataset, an audit or a correction refers to it",
        "select t.id from trajectory t where t.emptied is not null and (t.passed = 1 "
        "or exists (select 1 from dataset_row w where w.trajectory = t.id) "
        "or exists (select 1 from correction c where c.trajectory = t.id))",
    ),
    Invariant(
        "play",
        "done, but its trajectory is gone",
        "select p.id from play p where p.state = 'done' and not exists (select 1 from trajectory t where t.id = p.id)",
    ),
    Invariant(
        "trajectory",
        "its play is gone, or still owed",
        "select t.id from trajectory t where not exists (select 1 from play p where p.id = t.id and p.state = 'done')",
    ),
)
