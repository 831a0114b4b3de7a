"""`edge-listen search`: when a sound was heard, by the embedding log."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from edge.embedding_log.since import parse_moment
from edge.errors import ConfigError
from edge.options import flags_given, listen_config
from edge.own_state.commands import ask_or_do
from edge.sinks.text import standard_output, write_line


def run(args: argparse.Namespace) -> int:
    """Print when it was heard; returns 0 if it was, else 1. Raises: SoundError."""
    config = listen_config(args)
    now = datetime.now().astimezone()
    since_unix_s, until_unix_s = _times(args, now)
    arguments = {
        "words": " ".join(args.words),
        "since_unix_s": since_unix_s,
        "until_unix_s": until_unix_s,
        "threshold": args.score,
    }
    answer: dict[str, Any] = dict(
        ask_or_do("search", arguments, config, flags_given(args, "bundle", "config"))
    )
    answer["hits"] = _best(answer["hits"], args.n_best)
    stdout = standard_output()
    for line in [json.dumps(answer)] if args.json else _lines(answer, now):
        write_line(stdout, line)
    return 0 if answer["hits"] and not answer["is_below_threshold"] else 1


def _times(args: argparse.Namespace, now: datetime) -> tuple[float | None, float | None]:
    since = None if args.since is None else parse_moment(args.since, now)
    until = None if args.until is None else parse_moment(args.until, now)
    if since is not None and since > now:
        raise ConfigError(f"--since {args.since} is still to come: give a time that is past")
    if since is not None and until is not None and until <= since:
        raise ConfigError(f"--until {args.until} is not after --since {args.since}: swap them, or mend one")
    return _unix_s(since), _unix_s(until)


def _unix_s(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _best(hits: Sequence[dict[str, Any]], n: int | None) -> list[dict[str, Any]]:
    best = sorted(hits, key=lambda hit: -float(hit["score"]))[:n]
    return sorted(best, key=lambda hit: str(hit["time"]))


def _lines(answer: dict[str, Any], now: datetime) -> list[str]:
    hits = answer["hits"]
    lines = []
    if answer["is_below_threshold"]:
        lines.append(f"nothing reached {_score(hits[0]['threshold'])}; the nearest:")
    elif not hits:
        lines.append("nothing was found")
    moments = [_moment(hit["time"], now) for hit in hits]
    width = max(map(len, moments), default=0)
    for hit, moment in zip(hits, moments, strict=True):
        span = (_time(hit["end_time"]) - _time(hit["time"])).total_seconds()
        line = f"{moment:<{width}}  {answer['label']}  {_score(hit['score'])}  for {_span(span)}"
        lines.append(line + (f"  beaten by {hit['beaten_by']}" if hit["beaten_by"] else ""))
    if answer["n_hits"] > len(hits):
        lines.append(f"the best {len(hits)} of {answer['n_hits']}")
    return [*lines, _searched(answer, now)]


def _searched(answer: dict[str, Any], now: datetime) -> str:
    text = "no sound of that time is in the log"
    if answer["covers_from"] is not None:
        text = (
            f"{_span(answer['heard_s'])} of sound since {_moment(answer['covers_from'], now)} were searched"
        )
    for count, why in (
        (answer["n_other_encoder"], "made by another encoder"),
        (answer["n_unreadable"], "damaged"),
    ):
        if count:
            text += f"; {count} file{' was' if count == 1 else 's were'} {why}"
    return text


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()


def _moment(text: str, now: datetime) -> str:
    moment = _time(text)
    days = {now.date(): "today", now.date() - timedelta(days=1): "yesterday"}
    return f"{days.get(moment.date(), moment.date().isoformat())} {moment:%H:%M:%S}"


def _score(score: float) -> str:
    """Such as .71, as in the rest of what is printed about scores."""
    return f"{score:.2f}".replace("0.", ".", 1)


def _span(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
