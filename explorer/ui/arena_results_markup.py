"""HTML of what the votes say: ratings, who is ahead of whom, voters, trust in metrics. Pure.

Every text that is not ours passes through `escape`.
"""

from collections.abc import Callable, Mapping, Sequence
from html import escape

from explorer.agreement import LIMITS, VoterReport, together
from explorer.ballots import Entrant
from explorer.ratings import CENTRE, MAX_MORE_VOTES, Floats, Gap, Rating, Standings
from explorer.trust import Conflict, Trust
from explorer.ui.markup import count, notice, number
from explorer.ui.why_markup import opener

Names = Mapping[str, str]
"""Metric id to the name people read."""
Source = Callable[[str], str]
"""Picture id -> address of its thumbnail; empty where there is none."""
MAX_MATRIX = 20


def ratings(found: Standings) -> str:
    """Every model with its rating, interval and the places that are open to it."""
    if not found.ratings:
        return notice("No votes yet. Each answer above counts at once.")
    known = [r for r in found.ratings if r.low is not None and r.high is not None]
    ends = [end for r in known for end in (r.low, r.high) if end is not None] or [CENTRE - 1, CENTRE + 1]
    scale = (min(ends), max(ends))
    many = len(found.groups) > 1
    rows = "".join(_rating(each, scale, many=many) for each in found.ratings)
    return (
        f"{_unconnected(found)}"
        '<table class="x-table x-ratings"><thead><tr><th>Model</th><th>Place</th><th>Rating</th>'
        f"<th>95 % interval</th><th>Votes</th></tr></thead><tbody>{rows}</tbody></table>"
        f'<p class="x-quiet x-small-print">{count(found.votes, "vote")} on {count(found.prompts, "prompt")}. '
        "Bradley-Terry; the mean is 1000, and 100 points more mean 64 % of the points. Ties and both bad are "
        "half a point each. Places are those that the votes leave open.</p>"
    )


def _rating(row: Rating, scale: tuple[float, float], *, many: bool) -> str:
    place = str(row.best_rank) if row.best_rank == row.worst_rank else f"{row.best_rank} to {row.worst_rank}"
    group = f" <small>group {row.group + 1}</small>" if many else ""
    if row.low is None or row.high is None:
        interval = '<td data-label="95 % interval" class="x-quiet">needs 2 prompts</td>'
    else:
        interval = (
            f'<td data-label="95 % interval">{_bar(row.low, row.rating, row.high, scale)}'
            f'<span class="x-ends">{row.low:.0f} to {row.high:.0f}</span></td>'
        )
    return (
        f'<tr><th scope="row">{escape(row.model)}{group}</th><td data-label="Place">{place}</td>'
        f'<td data-label="Rating">{row.rating:.0f}</td>{interval}'
        f'<td data-label="Votes">{row.votes:,}</td></tr>'
    )


def _bar(low: float, middle: float, high: float, scale: tuple[float, float]) -> str:
    width = max(scale[1] - scale[0], 1e-9)
    left, right, dot = (100 * (end - scale[0]) / width for end in (low, high, middle))
    return (
        '<span class="x-span" aria-hidden="true">'
        f'<i style="left:{left:.1f}%;width:{max(right - left, 1):.1f}%"></i>'
        f'<b style="left:{dot:.1f}%"></b></span>'
    )


def _unconnected(found: Standings) -> str:
    if len(found.groups) < 2:
        return ""
    groups = "".join(
        f"<li>Group {place}: {escape(', '.join(names))}</li>"
        for place, names in enumerate(found.groups, start=1)
    )
    return (
        '<div class="x-notices"><b>Votes do not connect all models</b>'
        f"<ul>{groups}</ul><p>Ratings can be compared within a group only. Vote on pairs across the groups; "
        "if they have no run in common, put their runs together in Analyze.</p></div>"
    )


def gaps(found: Standings) -> str:
    """Neighbours in the ranking: who is ahead, or how many votes would tell. All pairs behind a fold."""
    place = {r.model: (r.group, i) for i, r in enumerate(found.ratings)}
    near = [
        gap
        for gap in found.gaps
        if place[gap.worse][1] - place[gap.better][1] == 1 and place[gap.worse][0] == place[gap.better][0]
    ]
    if not near:
        return ""
    rows = "".join(f"<li>{_gap(gap)}</li>" for gap in near)
    every = ""
    if len(found.gaps) > len(near):
        lines = "".join(f"<li>{_gap(gap)}</li>" for gap in found.gaps[:200])
        every = f"<details><summary>All {len(found.gaps):,} pairs</summary><ul>{lines}</ul></details>"
    return f'<h3>Who is ahead of whom</h3><ul class="x-gaps">{rows}</ul>{every}'


def _gap(gap: Gap) -> str:
    better, worse = escape(gap.better), escape(gap.worse)
    if gap.separable and gap.low is not None and gap.high is not None:
        ends = f"{gap.low:.0f} to {gap.high:.0f}"
        return f"<b>{better}</b> is ahead of <b>{worse}</b> by {gap.difference:.0f} ({ends})."
    if gap.more_votes is None:
        more = f"they may be equally good; it would take more than {MAX_MORE_VOTES:,} votes to tell"
    else:
        more = f"about {count(gap.more_votes, 'more vote')} on these two would tell"
    return f"<b>{better}</b> and <b>{worse}</b> are not separable yet: {more}."


def matrix(models: Sequence[str], wins: Floats) -> str:
    """Points of the row's model against the column's, as "won : lost"."""
    if len(models) < 2:
        return notice("The table of wins appears with the first vote.")
    shown = models[:MAX_MATRIX]
    head = "".join(
        f'<th scope="col" title="{escape(name)}">{place}</th>' for place, name in enumerate(shown, 1)
    )
    body = "".join(
        f'<tr><th scope="row">{i + 1}. {escape(name)}</th>'
        + "".join(_met(wins[i, j], wins[j, i], same=i == j) for j in range(len(shown)))
        + "</tr>"
        for i, name in enumerate(shown)
    )
    rest = len(models) - len(shown)
    more = notice(f"The best {MAX_MATRIX} are shown; {rest} more are in the export.") if rest else ""
    return (
        f'<div class="x-wide" tabindex="0" role="group" aria-label="Table of wins"><table class="x-wins">'
        f"<thead><tr><th></th>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}"
        '<p class="x-quiet x-small-print">The points of the row against the column, won : lost; '
        "a tie is half a point each.</p>"
    )


def _met(won: float, lost: float, *, same: bool) -> str:
    if same or won + lost == 0:
        return '<td class="x-quiet">·</td>'
    share = won / (won + lost)
    return f'<td style="--share:{share:.2f}">{won:g} : {lost:g}</td>'


def voters(reports: Sequence[VoterReport]) -> str:
    """How far voters agree, and each of them."""
    if not reports:
        return notice("Voters appear here with their first vote.")
    rows = "".join(_voter(each) for each in reports)
    return (
        f"<p>{escape(together(reports))}</p>"
        '<table class="x-table"><thead><tr><th>Voter</th><th>Votes</th><th>Agrees with others</th>'
        "<th>Same again</th><th>Chose left</th></tr></thead>"
        f'<tbody>{rows}</tbody></table><p class="x-quiet x-small-print">{LIMITS} '
        "Nobody is left out unasked.</p>"
    )


def _voter(each: VoterReport) -> str:
    flags = "".join(f'<span class="x-reason">{escape(flag)}</span>' for flag in each.flags)
    left = "–" if each.left is None else f"{each.left:.0%}"
    return (
        f'<tr><th scope="row">{escape(each.voter)} {flags}</th><td data-label="Votes">{each.votes:,}</td>'
        f'<td data-label="Agrees with others">{_of(each.agreed, each.shared)}</td>'
        f'<td data-label="Same again">{_of(each.consistent, each.repeated)}</td>'
        f'<td data-label="Chose left">{left}</td></tr>'
    )


def _of(part: int, whole: int) -> str:
    return f"{part} of {whole}" if whole else "–"


def stars(rows: Sequence[tuple[str, float, int]]) -> str:
    """Mean stars of each model; empty when nothing was rated."""
    if not rows:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(model)}</th><td data-label="Mean">{mean:.2f}</td>'
        f'<td data-label="Ratings">{times:,}</td></tr>'
        for model, mean, times in rows
    )
    return (
        '<h3>Stars</h3><table class="x-table"><thead><tr><th>Model</th><th>Mean of 1 to 5</th>'
        f"<th>Ratings</th></tr></thead><tbody>{lines}</tbody></table>"
        '<p class="x-quiet x-small-print">Stars compare no two pictures, '
        "so they are no part of the ratings.</p>"
    )


def trust(found: Sequence[Trust], names: Names) -> str:
    """How often each metric agrees with the votes."""
    if not found:
        return notice(
            "Nothing to compare yet: it takes votes for one picture over another, and scores of both. "
            "Score the run in Analyze."
        )
    rows = "".join(_trust(each, names.get(each.metric, each.metric)) for each in found)
    return (
        '<table class="x-table"><thead><tr><th>Metric</th><th>Agrees with the votes</th>'
        f"<th>95 % interval</th><th>Votes</th><th>Verdict</th></tr></thead><tbody>{rows}</tbody></table>"
        '<p class="x-quiet x-small-print">Of the votes that chose one picture: how often the metric scores '
        "that one better. A coin agrees with 50 %.</p>"
    )


def _trust(each: Trust, name: str) -> str:
    return (
        f'<tr><th scope="row">{escape(name)} <small>{escape(each.tier)}</small></th>'
        f'<td data-label="Agrees">{each.share:.0%}</td>'
        f'<td data-label="95 % interval">{_bar(each.low, each.share, each.high, (0.0, 1.0))}'
        f'<span class="x-ends">{each.low:.0%} to {each.high:.0%}</span></td>'
        f'<td data-label="Votes">{each.votes:,}</td>'
        f'<td data-label="Verdict" class="x-words-cell">{each.verdict}</td></tr>'
    )


def conflicts(found: Sequence[Conflict], metric: str, source: Source) -> str:
    """The votes that a metric contradicts most, with both pictures, each a button that opens it."""
    if not found:
        return notice("This metric contradicts no vote.") if metric else ""
    items = "".join(
        f'<li><p>{escape(each.prompt)} <small>voted by {escape(each.voter)}</small></p><div class="x-pair">'
        f"{_side('chosen by the vote', each.chosen, each.chosen_score, source)}"
        f"{_side('scores better', each.rejected, each.rejected_score, source)}</div></li>"
        for each in found
    )
    return f'<ol class="x-contrasts">{items}</ol>'


def _side(role: str, entrant: Entrant, score: float, source: Source) -> str:
    model = entrant.model
    picture = opener(entrant.image, f"Picture by {model}, {number(score)}", source)
    return (
        f"<figure><div>{picture}</div><figcaption>{escape(model)} <b>{number(score)}</b> "
        f"<small>{role}</small></figcaption></figure>"
    )
