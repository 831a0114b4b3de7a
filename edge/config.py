"""The settings as the program holds them, with their defaults. What each means stands in `settings.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.errors import ConfigError
from edge.output_settings import (
    ClipsSettings,
    CommandSettings,
    EmbeddingLogSettings,
    EventFileSettings,
    HealthSettings,
    MetricsSettings,
    MqttSettings,
    WebhookSettings,
)
from edge.settings import SOURCE_NAMES, Preset, Provider, Rivals, flag


@dataclass(frozen=True)
class RuleSettings:
    """When a label's sound counts as an event: scores are cosines, times are in seconds.

    None is the preset's; where that says nothing or there is none, the bundle's own: for `threshold` that of
    the label, else of all its labels. A bundle has no `cooldown_s`, `min_s`, `max_s` and `one_shot`: there,
    nothing is asked for. `false_alarms`, an hour, stands in for `threshold`.
    """

    preset: Preset | None = None
    threshold: float | None = None
    false_alarms: float | None = None
    off_margin: float | None = None
    margin: float | None = None
    rivals: Rivals | None = None
    confirm_s: float | None = None
    within_s: float | None = None
    release_s: float | None = None
    cooldown_s: float | None = None
    min_s: float | None = None
    max_s: float | None = None
    one_shot: bool | None = None

    def __post_init__(self) -> None:
        """Raises: ConfigError if settings contradict each other."""
        if self.threshold is not None and self.false_alarms is not None:
            raise ConfigError("threshold and false_alarms each choose the threshold: give one of them")


@dataclass(frozen=True)
class ListenConfig:
    """All that `edge-listen` is told. None stands for the bundle's or the system's own choice.

    `rules` hold for every label but those that `label_rules` names, in the person's words. With `comma_lists`
    each of `labels` is to be split at its commas, as on the command line; without, each is one label.
    """

    labels: tuple[str, ...] = ()
    comma_lists: bool = False
    bundle: Path | None = None
    encoder: str | None = None
    provider: Provider = "auto"
    hop_s: float | None = None
    gate_dbfs: float = -60.0
    budget: float | None = None
    nice: int = 5
    unknown: bool = False
    input: str | None = None
    pcm: str | None = None
    input_command: str | None = None
    device: str | None = None
    rules: RuleSettings = RuleSettings()
    label_rules: Mapping[str, RuleSettings] = field(default_factory=dict)
    events_file: EventFileSettings | None = None
    mqtt: MqttSettings | None = None
    webhook: WebhookSettings | None = None
    command: CommandSettings | None = None
    metrics: MetricsSettings | None = None
    clips: ClipsSettings | None = None
    embedding_log: EmbeddingLogSettings | None = None
    health: HealthSettings = field(default_factory=HealthSettings)
    json: bool = False
    top: int = 0
    explain: bool = False
    near_misses: Path | None = None
    verbose: bool = False
    debug: bool = False

    def __post_init__(self) -> None:
        """Raises: ConfigError if settings contradict each other."""
        named = [name for name in SOURCE_NAMES if getattr(self, name) is not None]
        if len(named) > 1:
            raise ConfigError(f"{' and '.join(map(flag, named))} each name a source: give one of them")
        if self.pcm is None and (self.input == "-" or self.input_command is not None):
            raise ConfigError(f"{flag(named[0])} needs the format of its sound, such as --pcm s16le:48000:1")
        if self.pcm is not None and self.input_command is None and self.input != "-":
            raise ConfigError("--pcm goes with --input - or --input-command; other sources say their format")
