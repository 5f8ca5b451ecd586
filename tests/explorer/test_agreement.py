import numpy as np

from explorer.agreement import together, voter_reports
from explorer.ballots import Vote
from tests.explorer.voted import ballot


def same_pairs(voter: str, answers: str, start: int = 0) -> list[Vote]:
    """Votes on pictures a0 and b0, a1 and b1, ...: f(irst), s(econd), t(ie) or k (skip)."""
    named = {"f": "first", "s": "second", "t": "tie", "k": "skip"}
    return [
        ballot(start + n, ("a", "b"), named[answer], voter=voter, images=(f"a{n}", f"b{n}"))  # type: ignore[arg-type]
        for n, answer in enumerate(answers)
    ]


def crowd(voters: int, each: int, random: np.random.Generator) -> list[Vote]:
    """Voters who prefer a to b to c three times out of four, sides at random."""
    votes = []
    for voter in range(voters):
        for _ in range(each):
            i, j = random.choice(3, 2, replace=False)
            first_wins = (random.random() < 0.75) == (i < j)
            models = ("abc"[i], "abc"[j])
            votes.append(ballot(len(votes), models, "first" if first_wins else "second", voter=f"v{voter}"))
    return votes


def test_agreement_counts_decided_answers_about_the_same_pictures() -> None:
    votes = [*same_pairs("ann", "ffsst"), *same_pairs("bob", "ffffk", 100), *same_pairs("eve", "kkkkk", 200)]
    reports = {report.voter: report for report in voter_reports(votes)}
    assert (reports["ann"].agreed, reports["ann"].shared) == (2, 4)
    assert (reports["bob"].agreed, reports["bob"].shared) == (2, 4)
    assert (reports["eve"].shared, reports["eve"].votes, reports["eve"].skips) == (0, 0, 5)
    assert reports["ann"].ties == 1
    assert "2 of 4" in together(list(reports.values()))


def test_sides_do_not_matter_for_agreement_and_repetitions() -> None:
    first = ballot(1, ("a", "b"), "first", images=("x", "y"))
    turned = ballot(2, ("b", "a"), "second", images=("y", "x"))
    changed = ballot(3, ("a", "b"), "second", images=("x", "y"))
    (report,) = voter_reports([first, turned, changed])
    assert (report.repeated, report.consistent) == (2, 1)


def test_voters_of_one_taste_are_not_flagged() -> None:
    flagged = 0
    for seed in range(10):
        reports = voter_reports(crowd(6, 40, np.random.default_rng(seed)))
        flagged += sum(bool(report.flags) for report in reports)
    assert flagged <= 1  # 1 % a crowd and test


def test_who_votes_against_all_others_and_who_clicks_one_side_are_flagged() -> None:
    random = np.random.default_rng(3)
    votes = crowd(5, 60, random)
    contrary = [
        ballot(10_000 + n, ("a", "c") if n % 2 else ("c", "a"), "second" if n % 2 else "first", voter="troll")
        for n in range(40)
    ]
    lazy = [ballot(20_000 + n, ("abc"[n % 3], "abc"[(n + 1) % 3]), "first", voter="lazy") for n in range(40)]
    flags = {report.voter: report.flags for report in voter_reports([*votes, *contrary, *lazy])}
    assert "all others vote down" in flags["troll"][0]
    assert flags["lazy"][0] == "chose the left picture 100% of the time"
    assert not any(flags[f"v{n}"] for n in range(5))


def test_few_votes_are_not_judged() -> None:
    votes = crowd(3, 40, np.random.default_rng(1))
    few = [ballot(9_000 + n, ("c", "a"), "first", voter="few") for n in range(9)]
    assert not next(r for r in voter_reports([*votes, *few]) if r.voter == "few").flags
