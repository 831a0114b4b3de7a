from __future__ import annotations

import argparse
import json
import math
import os
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import axis_prototypes
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge.commands import search as search_command
from edge.embedding_log import search as embedding_search
from edge.embedding_log.clusters import Cluster, ScoredRow, decluster, scored_rows
from edge.embedding_log.file import LogHeader, LogPart, file_name, log_paths, row_type
from edge.embedding_log.options import add_search_options
from edge.embedding_log.search import Found, search
from edge.embedding_log.search_files import search_log
from edge.embedding_log.store import EmbeddingLogStore, LogRow
from edge.errors import ConfigError
from edge.output_settings import EmbeddingLogSettings
from edge.scoring import PrototypeSet
from edge.trigger_bank import TriggerBank
from edge.trigger_rule import TriggerRule

HOP_S = 0.48
START = 1_795_662_900.0
"""2026-11-26T03:15:00Z."""
ENCODER = "1a2b3c4d" + "0" * 56
DIM = 16
NAMES = ("siren", "alarm", "dog", "hum")
PROTOTYPES = axis_prototypes(NAMES, background=["hum"], extra_axes=DIM - len(NAMES))
RULE = TriggerRule(
    on_threshold=0.7,
    off_threshold=0.6,
    margin=0.1,
    rivals="all",
    confirm_s=0.0,
    within_s=0.0,
    release_s=1.0,
    cooldown_s=0.0,
)


def sounding(**components: float) -> NDArray[np.float32]:
    """An embedding with these cosines to the names."""
    vector = np.zeros(DIM, np.float32)
    for name, cosine in components.items():
        vector[NAMES.index(name)] = cosine
    vector[-1] = math.sqrt(max(0.0, 1.0 - float(vector @ vector)))
    return vector


def part(scores: Sequence[float], times: Sequence[float] | None = None, name: str = "siren") -> LogPart:
    times = [START + number * HOP_S for number in range(len(scores))] if times is None else times
    embeddings = np.array([sounding(**{name: score}) for score in scores], np.float32).reshape(-1, DIM)
    levels = ((np.array(times) - START) / 1000.0 - 50.0).astype(np.float32)
    return LogPart(np.array(times, np.float64), levels, embeddings, HOP_S)


def find(*parts: LogPart, threshold: float = 0.7, rule: TriggerRule = RULE) -> Found:
    return search(parts, PROTOTYPES, "siren", rule, threshold)


# --- which rows are hits


def test_a_sound_that_is_heard_in_several_windows_is_one_hit() -> None:
    found = find(part([0.1, 0.2, 0.72, 0.9, 0.75, 0.3, 0.1]))
    (hit,) = found.hits
    assert hit.start_unix_s == pytest.approx(START + 1 * HOP_S)
    assert hit.best_unix_s == pytest.approx(START + 3 * HOP_S)
    assert hit.end_unix_s == pytest.approx(START + 4 * HOP_S)
    assert hit.score == pytest.approx(0.9, abs=1e-6)
    assert hit.level_dbfs == pytest.approx(-50.0 + 3 * HOP_S / 1000.0, abs=1e-4)
    assert hit.beaten_by is None
    assert (found.n_hits, found.is_below_threshold, found.n_rows) == (1, False, 7)
    assert found.heard_s == pytest.approx(7 * HOP_S)
    assert found.covers_from_unix_s == START


def test_sounds_more_than_five_seconds_apart_are_hits_of_their_own() -> None:
    times = [START, START + 5.0, START + 10.1, START + 15.0]
    assert [hit.end_unix_s for hit in find(part([0.8] * 4, times)).hits] == [START + 5.0, START + 15.0]


def test_a_sound_that_goes_on_in_the_next_part_is_one_hit() -> None:
    whole = [0.1, 0.8, 0.9, 0.8, 0.1]
    times = [START + number * HOP_S for number in range(5)]
    for cut in range(1, 5):
        assert (
            find(part(whole[:cut], times[:cut]), part(whole[cut:], times[cut:])).hits
            == find(part(whole)).hits
        )


def test_where_the_clock_jumped_back_the_same_time_is_found_twice() -> None:
    found = find(part([0.8, 0.8], [START, START + 1]), part([0.9, 0.9], [START - 3600, START - 3599]))
    assert [hit.end_unix_s for hit in found.hits] == [START - 3599, START + 1]
    assert found.covers_from_unix_s == START - 3600


def test_the_best_of_a_names_prototypes_counts() -> None:
    prototypes = PrototypeSet(
        vectors=np.eye(3, DIM, dtype=np.float32),
        owners=np.array([0, 0, 1]),
        names=("siren", "dog"),
        background=(False, False),
        rivals_groups=(None, None),
    )
    vectors = np.zeros((2, DIM), np.float32)
    vectors[0, [0, 5]] = 0.6, 0.8
    vectors[1, [1, 5]] = 0.8, 0.6
    rows = LogPart(np.array([START, START + 60]), np.zeros(2, np.float32), vectors, HOP_S)
    found = search([rows], prototypes, "siren", RULE, 0.5)
    assert [hit.score for hit in found.hits] == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("rivals", ["all", "background", "none"])
@pytest.mark.parametrize("margin", [-0.1, 0.0, 0.1])
def test_a_hit_is_beaten_exactly_where_the_trigger_would_not_have_been_supported(
    rivals: Any, margin: float
) -> None:
    rule = TriggerRule(0.5, 0.4, margin, rivals, 0.0, 0.0, 1.0, 0.0)
    rng = np.random.default_rng(3)
    n_beaten = 0
    for _ in range(200):
        embedding = sounding(siren=0.55, **dict(zip(NAMES[1:], rng.uniform(0.2, 0.47, 3), strict=True)))
        rows = LogPart(np.array([START]), np.zeros(1, np.float32), embedding[None], HOP_S)
        (hit,) = search([rows], PROTOTYPES, "siren", rule, 0.5).hits
        bank = TriggerBank(PROTOTYPES, {"siren": rule}, 480, 1000)
        ((state,),) = bank.step(0, 2000, embedding @ PROTOTYPES.vectors.T)[1:]
        assert (hit.beaten_by is None) == state.supports
        if hit.beaten_by is not None:
            among = {"all": NAMES[1:], "background": ("hum",), "none": ()}[rivals]
            assert hit.beaten_by == max(among, key=lambda name: embedding[NAMES.index(name)])
            n_beaten += 1
    assert (n_beaten > 0) == (rivals != "none" and margin > 0)


def test_where_none_reaches_the_threshold_the_five_best_are_shown_as_such() -> None:
    scores = np.full(1000, 0.1)
    scores[[100, 200, 300, 400, 500, 600]] = [0.4, 0.6, 0.3, 0.5, 0.2, 0.45]
    scores[[199, 201]] = 0.59  # the same sound as the best
    found = find(part(scores.tolist()))
    assert found.is_below_threshold
    assert found.n_hits == 0
    assert [hit.score for hit in found.hits] == pytest.approx([0.4, 0.6, 0.3, 0.5, 0.45], abs=1e-6)


def test_the_nearest_are_the_same_however_the_rows_come() -> None:
    scores = np.random.default_rng(2).uniform(0.0, 0.6, 700)
    times = START + 6.0 * np.arange(700)
    whole = find(part(scores.tolist(), times.tolist()))
    expected = np.sort(scores)[-5:]
    assert sorted(hit.score for hit in whole.hits) == pytest.approx(expected.tolist(), abs=1e-6)
    for size in (1, 50, 699):
        cut = [
            part(scores[at : at + size].tolist(), times[at : at + size].tolist())
            for at in range(0, 700, size)
        ]
        assert find(*cut).hits == whole.hits


def test_an_empty_log_finds_nothing() -> None:
    found = find()
    assert found == Found((), 0, is_below_threshold=False, n_rows=0, heard_s=0.0, covers_from_unix_s=None)


def test_of_very_many_hits_the_best_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding_search, "MOST_HITS", 10)
    scores = np.random.default_rng(0).uniform(0.7, 1.0, 95)
    found = find(part(scores.tolist(), (START + 6.0 * np.arange(95)).tolist()))
    assert found.n_hits == 95
    assert sorted(hit.score for hit in found.hits) == pytest.approx(np.sort(scores)[-10:].tolist(), abs=1e-6)
    assert list(found.hits) == sorted(found.hits, key=lambda hit: hit.start_unix_s)


# --- declustering


def scored(unix_s: float, score: float) -> ScoredRow:
    return ScoredRow(unix_s, score, -30.0, HOP_S, np.zeros(1, np.float32))


rows_in_order = st.lists(
    st.tuples(st.floats(0.1, 20.0, allow_subnormal=False), st.floats(0.0, 1.0, allow_subnormal=False)),
    max_size=40,
).map(
    lambda steps: [
        scored(sum(gap for gap, _ in steps[: number + 1]), score) for number, (_, score) in enumerate(steps)
    ]
)


@given(rows_in_order)
def test_clusters_are_what_the_definition_says(rows: list[ScoredRow]) -> None:
    groups: list[list[ScoredRow]] = []
    for row in rows:
        if groups and row.unix_s - groups[-1][-1].unix_s <= 5.0:
            groups[-1].append(row)
        else:
            groups.append([row])
    expected = [
        Cluster(group[0].unix_s - HOP_S, group[-1].unix_s, max(group, key=lambda row: row.score))
        for group in groups
    ]
    found = list(decluster(rows))
    assert [(each.start_unix_s, each.end_unix_s) for each in found] == [
        (each.start_unix_s, each.end_unix_s) for each in expected
    ]
    assert all(mine.best is its.best for mine, its in zip(found, expected, strict=True))


@given(
    st.lists(st.tuples(st.floats(0, 1000, allow_subnormal=False), st.floats(-1, 1, allow_subnormal=False)))
)
def test_whatever_the_clock_did_every_row_is_within_a_cluster(steps: list[tuple[float, float]]) -> None:
    rows = [scored(*step) for step in steps]
    clusters = list(decluster(rows))
    assert all(any(c.start_unix_s <= row.unix_s <= c.end_unix_s for c in clusters) for row in rows)
    assert len(clusters) <= len(rows)
    assert max((c.best.score for c in clusters), default=None) == max(
        (row.score for row in rows), default=None
    )


# --- the files of a log


def write_log(
    directory: Path, embeddings: NDArray[np.float32], encoder: str = ENCODER, start: float = START
) -> None:
    dim = embeddings.shape[1]
    header = LogHeader(encoder, dim, HOP_S, 2.505, "USB Audio", "2026-11-26T03:15:00.000Z")
    store = EmbeddingLogStore(EmbeddingLogSettings(), directory, lambda: header)
    rows = np.zeros(len(embeddings), row_type(dim))
    rows["unix_s"] = start + HOP_S * np.arange(len(embeddings))
    rows["level_dbfs"] = -33.3
    rows["embedding"] = embeddings
    for at in range(0, len(rows), 1000):
        store.append([LogRow(float(each["unix_s"]), each.tobytes()) for each in rows[at : at + 1000]])
    store.close()


def planted_log(directory: Path, **kwargs: Any) -> None:
    """An hour in which a siren is heard after 600 and 2400 s, the second beaten by an alarm."""
    embeddings = np.tile(sounding(hum=0.3), (7500, 1))
    embeddings[1250:1260] = sounding(siren=0.8)
    embeddings[1255] = sounding(siren=0.95)
    embeddings[5000] = sounding(siren=0.72, alarm=0.68)
    write_log(directory, embeddings, **kwargs)


def search_in(directory: Path, since: float | None = None, until: float | None = None, **kwargs: Any) -> Any:
    threshold = kwargs.get("threshold")
    return search_log(directory, ENCODER, PROTOTYPES, "siren", RULE, since, until, threshold)


def test_planted_sounds_are_found_at_their_times(tmp_path: Path) -> None:
    planted_log(tmp_path)
    answer = search_in(tmp_path)
    assert answer == json.loads(json.dumps(answer))
    assert answer["hits"] == [
        {
            "time": "2026-11-26T03:24:59.520Z",
            "end_time": "2026-11-26T03:25:04.320Z",
            "score": pytest.approx(0.95, abs=1e-3),
            "threshold": 0.7,
            "level_dbfs": -33.3,
            "beaten_by": None,
        },
        {
            "time": "2026-11-26T03:54:59.520Z",
            "end_time": "2026-11-26T03:55:00.000Z",
            "score": pytest.approx(0.72, abs=1e-3),
            "threshold": 0.7,
            "level_dbfs": -33.3,
            "beaten_by": "alarm",
        },
    ]
    assert (answer["label"], answer["n_hits"], answer["is_below_threshold"]) == ("siren", 2, False)
    assert (answer["n_rows"], answer["heard_s"]) == (7500, 3600.0)
    assert answer["covers_from"] == "2026-11-26T03:15:00.000Z"
    assert (answer["n_other_encoder"], answer["n_unreadable"]) == (0, 0)


def test_only_the_time_asked_for_is_searched(tmp_path: Path) -> None:
    planted_log(tmp_path)
    late = search_in(tmp_path, since=START + 1200)
    assert [hit["time"] for hit in late["hits"]] == ["2026-11-26T03:54:59.520Z"]
    assert late["covers_from"] == "2026-11-26T03:35:00.000Z"
    early = search_in(tmp_path, until=START + 1200)
    assert [hit["time"] for hit in early["hits"]] == ["2026-11-26T03:24:59.520Z"]
    nothing = search_in(tmp_path, since=START + 7200)
    assert (nothing["hits"], nothing["n_rows"], nothing["covers_from"]) == ([], 0, None)


def test_another_threshold_finds_other_hits(tmp_path: Path) -> None:
    planted_log(tmp_path)
    assert [hit["threshold"] for hit in search_in(tmp_path, threshold=0.9)["hits"]] == [0.9]
    none = search_in(tmp_path, threshold=0.99)
    assert none["is_below_threshold"]
    assert none["n_hits"] == 0
    assert max(hit["score"] for hit in none["hits"]) == pytest.approx(0.95, abs=1e-3)
    with pytest.raises(ConfigError, match="threshold"):
        search_in(tmp_path, threshold=1.5)


def test_files_of_another_encoder_and_damaged_ones_are_left_out_and_counted(tmp_path: Path) -> None:
    planted_log(tmp_path)
    planted_log(tmp_path, encoder="f" * 64)
    planted_log(tmp_path, encoder="f" * 64, start=START + 86400)
    (tmp_path / "20261126T031500Z-00000000.emb").write_bytes(b"\0" * 1000)
    answer = search_in(tmp_path, until=START + 7200)
    assert (answer["n_rows"], answer["n_other_encoder"], answer["n_unreadable"]) == (7500, 1, 1)
    assert search_in(tmp_path)["n_other_encoder"] == 2


def test_without_a_log_it_says_how_to_keep_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--embedding-log"):
        search_in(tmp_path / "absent")


def test_files_are_searched_in_the_order_of_their_times_not_of_their_names(tmp_path: Path) -> None:
    write_log(tmp_path, np.tile(sounding(siren=0.8), (1, 1)))
    write_log(tmp_path, np.tile(sounding(siren=0.8), (30, 1)), start=START + HOP_S)
    assert [path.name[17:] for path in log_paths(tmp_path)] == ["1a2b3c4d-2.emb", "1a2b3c4d.emb"]
    (hit,) = search_in(tmp_path)["hits"]
    assert (hit["time"], hit["end_time"]) == ("2026-11-26T03:14:59.520Z", "2026-11-26T03:15:14.400Z")


def test_a_row_that_is_kept_does_not_keep_its_whole_part() -> None:
    (row,) = scored_rows(part([0.5, 0.8]), np.array([0.5, 0.8], np.float32), np.array([1]))
    assert row.embedding.base is None


def test_a_fifth_of_a_day_is_searched_within_two_seconds_and_50_mb(tmp_path: Path) -> None:
    dim, n_rows = 512, 36_000
    rows = np.zeros(n_rows, row_type(dim))
    rows["unix_s"] = START + HOP_S * np.arange(n_rows)
    rows["embedding"][:, :2] = 0.6, 0.8
    header = LogHeader(ENCODER, dim, HOP_S, 2.505, "USB Audio", "2026-11-26T03:15:00.000Z")
    path = tmp_path / file_name(START, ENCODER)
    path.write_bytes(header.as_bytes() + rows.tobytes())
    prototypes = axis_prototypes(NAMES, extra_axes=dim - len(NAMES))

    def search_all(threshold: float) -> Any:
        return search_log(tmp_path, ENCODER, prototypes, "siren", RULE, None, None, threshold)

    began_s = time.process_time()
    assert search_all(0.7)["n_rows"] == n_rows
    assert time.process_time() - began_s < 2.0  # a day is 5 times as many rows; other programs don't count
    tracemalloc.start()
    assert search_all(-1.0)["n_hits"] == 1
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 50e6


# --- the command


@pytest.fixture
def berlin() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


class Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Any:  # noqa: ARG003
        return datetime(2026, 11, 26, 13, 30, tzinfo=timezone.utc)


ANSWER = {
    "label": "siren",
    "hits": [
        {"time": "2026-11-24T08:00:00.000Z", "end_time": "2026-11-24T08:03:30.000Z", "score": 0.8,
         "threshold": 0.7, "level_dbfs": -20.0, "beaten_by": None},
        {"time": "2026-11-25T13:03:22.000Z", "end_time": "2026-11-25T13:03:26.000Z", "score": 0.7123,
         "threshold": 0.7, "level_dbfs": -30.0, "beaten_by": None},
        {"time": "2026-11-26T11:00:00.000Z", "end_time": "2026-11-26T11:00:00.480Z", "score": 1.0,
         "threshold": 0.7, "level_dbfs": None, "beaten_by": "clock alarm"},
    ],
    "n_hits": 3,
    "is_below_threshold": False,
    "n_rows": 322_500,
    "heard_s": 154_800.0,
    "covers_from": "2026-11-24T00:00:12.000Z",
    "n_other_encoder": 12,
    "n_unreadable": 0,
}  # fmt: skip


class Asked:
    """In place of the running program."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.command = ""
        self.arguments: dict[str, Any] = {}

    def __call__(self, command: str, arguments: dict[str, Any], *_: object) -> dict[str, Any]:
        self.command, self.arguments = command, arguments
        return self.answer


def run_search(monkeypatch: pytest.MonkeyPatch, arguments: list[str], **changes: Any) -> tuple[int, Asked]:
    asked = Asked(ANSWER | changes)
    monkeypatch.setattr(search_command, "ask_or_do", asked)
    monkeypatch.setattr(search_command, "datetime", Clock)
    parser = argparse.ArgumentParser()
    add_search_options(parser)
    return search_command.run(parser.parse_args(arguments)), asked


@pytest.mark.usefixtures("berlin")
def test_hits_are_told_in_local_time_one_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, asked = run_search(monkeypatch, ["fire", "siren", "--since", "yesterday", "--threshold", ".6"])
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-24 09:00:00  siren  .80  for 4 min",
        "yesterday 14:03:22   siren  .71  for 4 s",
        "today 12:00:00       siren  1.00  for 0.5 s  beaten by clock alarm",
        "43 h of sound since 2026-11-24 01:00:12 were searched; 12 files were made by another encoder",
    ]
    assert code == 0
    assert asked.command == "search"
    assert asked.arguments == {
        "words": "fire siren",
        "since_unix_s": datetime(2026, 11, 24, 23, 0, tzinfo=timezone.utc).timestamp(),
        "until_unix_s": None,
        "threshold": 0.6,
    }


def test_only_the_best_are_shown_if_so_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = run_search(monkeypatch, ["siren", "--top", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("siren")[1].split()[0] for line in lines[:2]] == [".80", "1.00"]
    assert lines[2] == "the best 2 of 3"
    assert code == 0


def test_json_is_the_whole_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_search(monkeypatch, ["siren", "--json"])
    assert json.loads(capsys.readouterr().out) == ANSWER


def test_what_is_below_the_threshold_is_shown_as_such_and_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    below = [ANSWER["hits"][1] | {"score": 0.6}]  # type: ignore[index]
    code, _ = run_search(monkeypatch, ["siren"], hits=below, n_hits=0, is_below_threshold=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nothing reached .70; the nearest:"
    assert ".60" in lines[1]
    assert code == 1


def test_an_empty_log_says_so_and_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {
        "hits": [],
        "n_hits": 0,
        "n_rows": 0,
        "heard_s": 0.0,
        "covers_from": None,
        "n_other_encoder": 1,
    }
    code, _ = run_search(monkeypatch, ["siren"], **nothing)
    assert capsys.readouterr().out.splitlines() == [
        "nothing was found",
        "no sound of that time is in the log; 1 file was made by another encoder",
    ]
    assert code == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--since", "14:31"], "still to come"),
        (["--since", "yesterday", "--until", "2026-11-20"], "is not after"),
        (["--since", "soonish"], "write such as yesterday"),
    ],
)
@pytest.mark.usefixtures("berlin")
def test_times_that_make_no_sense_are_refused(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        run_search(monkeypatch, ["siren", *arguments])


@pytest.mark.parametrize(
    "arguments",
    [[], ["siren", "--top", "0"], ["siren", "--threshold", "2"], ["siren", "--threshold", "high"]],
)
def test_wrong_options_are_refused(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    add_search_options(parser)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(arguments)
    assert caught.value.code == 2
