"""Two rounds' datasets side by side."""


def test_a_diff_names_counts_that_changed_and_rows_that_only_one_has(rehearsal):
    rehearsal.live(rounds=2)
    with rehearsal.store() as store:
        first, second = (store.datasets.of(store.rounds.get(number)) for number in (1, 2))
    told = rehearsal.json("dataset", "diff", first.id[:10], second.id[:10])
    changed = {row["what"]: row for row in told["changed"]}
    assert changed["rows in both"][first.id[:12]] == len(set(first.rows) & set(second.rows))
    assert changed["accepted"][second.id[:12]] == second.counts["accepted"]
    only = {row["trajectory"] for row in told["rows"]}
    assert only == set(first.rows) ^ set(second.rows)
    assert "rows in both" in rehearsal.loopd("dataset", "diff", first.id[:10], second.id[:10])
