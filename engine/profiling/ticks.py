"""A run tick by tick: one JSON document a line, for whoever wants to sum up in another way."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from engine.profiling.report import Report
from engine.profiling.spans import STAGES


def write_ticks(report: Report, path: Path) -> None:
    """Write one line a tick."""
    with path.open("w", encoding="utf-8") as file:
        for tick in ticks(report):
            file.write(json.dumps(tick) + "\n")


def ticks(report: Report) -> Iterator[dict[str, Any]]:
    """Yield `tick`, `tick_ms`, `frame_time_ms`, `action_to_present_ms` and `stages_ms` of each.

    What a tick does not have is null; `tick` counts from the first one that is still held.
    """
    times = report.measured.log.per_tick_ms()
    timeline = report.measured.timeline
    durations = timeline.durations_ms.tolist() if timeline else []
    columns = (times["work"].tolist(), times["frame"].tolist(), times["action"].tolist())
    for number, (work, frame, action) in enumerate(zip(*columns, strict=True)):
        stages = durations[number] if number < len(durations) else ()
        yield {
            "tick": number,
            "tick_ms": _number(work),
            "frame_time_ms": _number(frame),
            "action_to_present_ms": _number(action),
            "stages_ms": {name: round(ms, 4) for name, ms in zip(STAGES, stages, strict=False)},
        }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4)
