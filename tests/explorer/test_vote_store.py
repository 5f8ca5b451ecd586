import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from explorer.ballots import Entrant, Scope, Showing, Topic, Vote
from explorer.database import open_database
from explorer.errors import InvalidRequest
from explorer.vote_store import VoteStore
from explorer.vote_totals import VoteTotals
from tests.explorer.voted import ballot


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "explorer.db"


@pytest.fixture
def store(path: Path) -> VoteStore:
    return VoteStore(open_database(path)[0])


def showing_of(vote: Vote) -> Showing:
    assert vote.second
    return Showing(vote.showing, "pair", vote.voter, vote.topic, (vote.first, vote.second), "2026-01-01")


def cast(store: VoteStore, vote: Vote) -> bool:
    if store.showing(vote.showing) is None and not store.of_showing(vote.showing):
        store.show(showing_of(vote))
    return store.cast([vote])[1]


def test_a_vote_is_read_back_as_it_was(store: VoteStore) -> None:
    vote = ballot(1, ("a", "b"), "first")
    large = replace(vote, topic=Topic('a "fox" 狐', "p", "s", "c", 2**64 - 1, "r"))
    assert cast(store, large)
    assert store.votes() == [large]


def test_the_same_ballot_counts_once(store: VoteStore) -> None:
    vote = ballot(1, ("a", "b"), "first")
    assert cast(store, vote)
    standing, counted = store.cast([replace(vote, outcome="second")])
    assert (standing, counted) == ([vote], False)
    assert store.votes() == [vote]


def test_a_showing_takes_one_ballot_whatever_its_id(store: VoteStore) -> None:
    vote = ballot(1, ("a", "b"), "first")
    cast(store, vote)
    standing, counted = store.cast([replace(vote, ballot="another", outcome="second")])
    assert (standing, counted) == ([vote], False)


def test_a_vote_id_is_not_used_twice(store: VoteStore) -> None:
    cast(store, ballot(1, ("a", "b"), "first"))
    other = replace(ballot(2, ("a", "b"), "first"), ballot="b1")
    store.show(showing_of(other))
    with pytest.raises(InvalidRequest, match="another pair"):
        store.cast([other])


def test_nothing_is_voted_on_that_was_not_shown(store: VoteStore) -> None:
    with pytest.raises(InvalidRequest, match="not on show"):
        store.cast([ballot(1, ("a", "b"), "first")])
    assert store.votes() == []


def test_a_vote_is_written_through_to_the_disk(store: VoteStore) -> None:
    level = sa.text("PRAGMA synchronous")
    with store._durable.connect() as connection:
        assert connection.execute(level).scalar_one() == 2  # FULL: synced at every commit
    with store._engine.connect() as connection:
        assert connection.execute(level).scalar_one() == 1


def test_what_was_taken_back_counts_nowhere_and_stays_on_record(store: VoteStore) -> None:
    first, second = ballot(1, ("a", "b"), "first"), ballot(2, ("a", "b"), "second")
    for vote in (first, second):
        cast(store, vote)
    before = store.version()
    store.take_back("b1", "2026-01-02T00:00:00+00:00")
    assert store.version() != before
    assert store.votes() == [second]
    assert [each.ballot for each in store.votes(undone=True)] == ["b1", "b2"]
    assert len(store.results(Scope())) == 1
    answers, prompts = VoteTotals(store).of(Scope())
    assert list(answers.values()) == [1]
    assert prompts == {second.topic.prompt: 1}
    assert [answered for *_, answered in store.of_voter("ann")] == [False, True]
    assert store.cast([first]) == ([replace(first, undone="2026-01-02T00:00:00+00:00")], False)


def test_scopes_leave_out_the_rest(store: VoteStore) -> None:
    for number, models in enumerate((("a", "b"), ("b", "c"), ("a", "c"))):
        cast(store, ballot(number, models, "first", voter=f"voter {number}"))
    assert [vote.ballot for vote in store.votes(Scope(models=("a", "b")))] == ["b0"]
    assert [vote.ballot for vote in store.votes(Scope(without_voters=("voter 1",)))] == ["b0", "b2"]
    assert store.votes(Scope(category="none")) == []
    assert len(store.votes(Scope(run="run", suite="suite", category="category"))) == 3


def test_votes_from_elsewhere_come_in_once(store: VoteStore) -> None:
    known, new = ballot(1, ("a", "b"), "first"), ballot(2, ("a", "b"), "tie")
    cast(store, known)
    changed = replace(known, outcome="second")
    assert store.take_in([changed, new]) == 1
    assert store.take_in([changed, new]) == 0
    assert store.votes() == [known, new]


def test_forgotten_showings_take_no_vote(store: VoteStore) -> None:
    vote = ballot(1, ("a", "b"), "first")
    store.show(showing_of(vote))
    assert store.open_showings() == {"s1"}
    store.forget_showings("2026-06-01")
    assert store.showing("s1") is None


def test_a_reader_of_the_file_sees_a_vote_as_soon_as_it_counts(store: VoteStore, path: Path) -> None:
    assert cast(store, ballot(1, ("a", "b"), "first"))
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT COUNT(*) FROM votes").fetchone() == (1,)


def test_a_rating_has_no_opponent(store: VoteStore) -> None:
    picture = Entrant("1" * 64, "a", "h")
    store.show(Showing("s", "rate", "ann", Topic("p"), (picture,), "2026-01-01"))
    vote = Vote("b", 0, "s", "rate", "ann", Topic("p"), picture, None, "stars", "2026-01-01", stars=4)
    assert cast(store, vote)
    assert store.votes() == [vote]
    assert store.results(Scope()) == []
    assert store.of_voter("ann") == []
