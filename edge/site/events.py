"""What would have been told in what was heard of a place, by given prototypes: a replay of its embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from edge.scoring import PrototypeSet, scores
from edge.site.listening import HeardSite
from edge.trigger_bank import TriggerBank
from edge.trigger_rule import TriggerRule
from edge.types import SoundEvent

_LONGEST_QUIET_S = 60.0


def events_by_label(
    rules: Mapping[str, TriggerRule], prototypes: PrototypeSet, heard: HeardSite
) -> Counter[str]:
    """Events of each label listened for. Windows that were clearly a label's sound count as not embedded."""
    all_scores = scores(heard.embeddings, prototypes)
    reached = all_scores.max(axis=0)
    # Of most labels nothing is near an event, and a replay costs much for each.
    possible = {n: r for n, r in rules.items() if reached[prototypes.names.index(n)] >= r.on_threshold}
    hop = round(heard.hop_s * heard.sample_rate_hz)
    longest_quiet = int(_LONGEST_QUIET_S / heard.hop_s)
    bank = TriggerBank(prototypes, possible, hop, heard.sample_rate_hz)
    events: list[SoundEvent] = []
    next_start = end = None
    for index, is_clear in enumerate(heard.is_clear):
        start = int(heard.start_sample[index])
        if next_start is not None and end is not None:
            n_missing, rest = divmod(start - next_start, hop)
            if rest or not 0 <= n_missing <= longest_quiet:
                events += bank.close(end)
            else:  # too quiet to be embedded
                for missing in range(next_start, start, hop):
                    events += bank.step(missing, missing + end - next_start + hop, None)[0]
        next_start, end = start + hop, int(heard.end_sample[index])
        events += bank.step(start, end, None if is_clear else all_scores[index])[0]
    return Counter(event.label for event in events if event.kind == "onset")
