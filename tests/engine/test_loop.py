"""The loop, with every device a fake: no waiting, no window, no network."""

import gc
import tracemalloc
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.controls import Command
from engine.fakes import FRAME_PX, FakeClock, FakeDisplay, FakeInput, FakeWorld
from engine.hud import NullHud
from engine.loop import WARM_UP_TICKS, Session
from engine.pacing import FixedRatePacer
from engine.profiling.spans import GROUPS, STAGES, NullSpans, StageSpans
from engine.profiling.ticklog import TickLog

LEFT, RIGHT, JUMP = range(3)
MIDDLE = FRAME_PX // 2
MS = 1_000_000


class Log:
    """A recorder that keeps everything in memory."""

    def __init__(self) -> None:
        self.rows: list[tuple[bool, list[bool]]] = []
        self.closed = False
        self._reset = False

    def reset(self) -> None:
        self._reset = True

    def write(self, frame: NDArray[np.uint8], action: NDArray[np.bool_]) -> None:
        self.rows.append((self._reset, action.tolist()))
        self._reset = False

    def close(self) -> None:
        self.closed = True


class NotingWorld(FakeWorld):
    """Notes the time, and whether the input was started, at every denoise; each second one takes
    `uneven_ns` more."""

    def __init__(self, clock: FakeClock, costs_ns: Mapping[str, int] | None) -> None:
        super().__init__(clock, costs_ns)
        self.note: Callable[[], tuple[int, bool]] = lambda: (0, False)
        self.notes: list[tuple[int, bool]] = []
        self.uneven_ns = self.reset_ns = 0

    def reset(self, frames: NDArray[np.uint8], *, seed: int) -> NDArray[np.uint8]:
        self._clock.pass_ns(self.reset_ns)
        return super().reset(frames, seed=seed)

    def denoise(self, action: NDArray[np.bool_]) -> NDArray[np.float32]:
        self.notes.append(self.note())
        self._clock.pass_ns(self.uneven_ns * (len(self.notes) % 2))
        return super().denoise(action)


class Setting:
    """A session of fakes, and the fakes."""

    def __init__(
        self,
        *,
        held: Sequence[Sequence[int]] = (),
        commands: Mapping[int, Sequence[Command]] | None = None,
        costs_ns: Mapping[str, int] | None = None,
        measured: bool = False,
        display: FakeDisplay | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.world = NotingWorld(self.clock, costs_ns)
        self.input = FakeInput(3, clock=self.clock, held=held, commands=commands)
        self.world.note = lambda: (self.clock.time_ns, self.input.started)
        self.display = display or FakeDisplay()
        self.recorder = Log()
        self.pacer = FixedRatePacer(20, self.clock)
        self.session = Session(
            self.world,
            np.zeros((4, FRAME_PX, FRAME_PX, 3), np.uint8),
            scene="fake scene",
            seed=7,
            source=self.input,
            display=self.display,
            hud=NullHud(),
            recorder=self.recorder,
            pacer=self.pacer,
            clock=self.clock,
            spans=StageSpans(100, self.clock) if measured else NullSpans(),
            log=TickLog(1000),
        )


def position(frame: NDArray[np.uint8]) -> tuple[int, int]:
    rows, columns = np.nonzero(frame[..., 0])
    return int(columns.min()), int(rows.min())


def test_the_frame_presented_is_the_one_that_this_ticks_action_caused() -> None:
    setting = Setting(held=[[], [RIGHT], [], [LEFT], [JUMP]])
    setting.session.run(5)
    moved = [x - MIDDLE for x, _ in map(position, setting.display.presented)]
    assert moved == [0, 1, 1, 0, 0]
    assert position(setting.display.presented[-1]) == (MIDDLE, MIDDLE - 1)


def test_play_begins_at_the_start_frames_whatever_the_warm_up_did() -> None:
    setting = Setting()
    setting.session.run(3)
    assert setting.world.seeds == [7, 7]
    assert len(setting.world.actions) == 3
    assert len(setting.display.presented) == 3


def test_input_is_started_only_after_the_warm_up() -> None:
    setting = Setting()
    setting.session.run(1)
    assert [started for _, started in setting.world.notes] == [False] * WARM_UP_TICKS + [True]


def test_frames_are_presented_evenly_though_ticks_differ() -> None:
    setting = Setting(costs_ns={"denoise": 20 * MS})
    setting.world.uneven_ns = 3 * MS
    report = setting.session.run(200)
    assert report.jitter_ms["p99"] == pytest.approx(0, abs=0.1)
    assert report.frame_time_ms["max"] == pytest.approx(50, abs=0.1)
    assert report.tick_ms["max"] == pytest.approx(23, abs=0.1)
    assert report.missed_deadlines == 0


def test_input_is_sampled_just_in_time() -> None:
    setting = Setting(costs_ns={"denoise": 20 * MS})
    report = setting.session.run(200)
    assert report.tick_ms["p50"] == pytest.approx(20, abs=0.1)
    assert 20 < (report.action_to_present_ms["p50"] or 0) < 23


def test_stays_on_its_grid_under_load() -> None:
    setting = Setting(costs_ns={"denoise": 30 * MS, "decode": 10 * MS})
    report = setting.session.run(200)
    assert report.missed_deadlines == 0
    assert report.fps == pytest.approx(20, abs=0.01)
    assert report.tick_ms["p50"] == pytest.approx(40, abs=0.1)


def test_a_world_that_is_too_slow_runs_as_fast_as_it_can_and_says_so() -> None:
    setting = Setting(costs_ns={"denoise": 100 * MS})
    report = setting.session.run(50)
    assert report.fps == pytest.approx(10, abs=0.01)
    assert report.missed_deadlines == pytest.approx(99, abs=2)


def test_while_paused_no_tick_passes_and_no_deadline_is_missed() -> None:
    setting = Setting(
        held=[[RIGHT]] * 9, commands={3: [Command.PAUSE], 103: [Command.PAUSE], 106: [Command.QUIT]}
    )
    report = setting.session.run()
    assert report.ticks == 6
    assert setting.input.samples == 6
    assert report.missed_deadlines == 0
    assert report.frame_time_ms["max"] == pytest.approx(50, abs=0.1)


def test_a_pause_shows_the_last_frame_again() -> None:
    setting = Setting(held=[[RIGHT]] * 2, commands={2: [Command.PAUSE], 5: [Command.QUIT]})
    setting.session.run()
    assert [position(f)[0] - MIDDLE for f in setting.display.presented] == [1, 2, 2, 2, 2]


def test_a_pause_is_shown_at_the_same_rate_and_is_not_taken_for_a_quick_tick() -> None:
    commands = {40: [Command.PAUSE], 240: [Command.PAUSE], 300: [Command.QUIT]}
    setting = Setting(commands=commands, costs_ns={"denoise": 30 * MS})
    report = setting.session.run()
    assert report.missed_deadlines == 0
    assert setting.clock.time_ns == pytest.approx(300 * 50 * MS, rel=0.05)


def test_a_reset_is_neither_lateness_nor_a_long_frame() -> None:
    setting = Setting(commands={40: [Command.RESET]}, costs_ns={"denoise": 20 * MS})
    setting.world.reset_ns = 500 * MS
    report = setting.session.run(80)
    assert report.missed_deadlines == 0
    assert report.frame_time_ms["max"] == pytest.approx(50, abs=0.1)


def test_a_single_step_advances_one_tick_and_pauses() -> None:
    setting = Setting(commands={2: [Command.STEP], 6: [Command.STEP], 9: [Command.QUIT]})
    assert setting.session.run().ticks == 4


def test_a_reset_starts_over_with_the_same_seed_before_that_ticks_action() -> None:
    setting = Setting(held=[[RIGHT]] * 6, commands={4: [Command.RESET]})
    setting.session.run(6)
    assert [position(f)[0] - MIDDLE for f in setting.display.presented] == [1, 2, 3, 4, 1, 2]
    assert set(setting.world.seeds) == {7}
    assert [reset for reset, _ in setting.recorder.rows] == [False] * 4 + [True, False]


def test_quit_ends_before_the_next_tick() -> None:
    setting = Setting(commands={2: [Command.QUIT]})
    assert setting.session.run(100).ticks == 2
    assert setting.recorder.closed
    assert setting.input.closed


def test_a_crash_loses_no_recorded_tick() -> None:
    def crash() -> None:
        if len(display.presented) == 4:
            raise RuntimeError("the screen fell off")

    display = FakeDisplay(crash)
    setting = Setting(display=display)
    with pytest.raises(RuntimeError, match="fell off"):
        setting.session.run(100)
    assert len(setting.recorder.rows) == 3
    assert setting.recorder.closed
    assert setting.input.closed


def test_ctrl_c_ends_the_run_with_a_report() -> None:
    def interrupt() -> None:
        if len(display.presented) == 4:
            raise KeyboardInterrupt

    display = FakeDisplay(interrupt)
    assert Setting(display=display).session.run().ticks == 3


def test_stages_cover_the_whole_tick_and_are_told_apart() -> None:
    costs_ns = {"prepare": 3 * MS, "denoise": 30 * MS, "decode": 5 * MS, "download": 2 * MS}
    setting = Setting(costs_ns=costs_ns, measured=True)
    report = setting.session.run(20)
    assert set(report.stages_ms) == {*STAGES, *GROUPS}
    p50 = {stage: values["p50"] or 0.0 for stage, values in report.stages_ms.items()}
    assert p50["denoise"] == pytest.approx(30, abs=0.1)
    assert p50["decode"] == pytest.approx(5, abs=0.1)
    assert p50["download"] == pytest.approx(2, abs=0.1)
    assert p50["prepare"] == pytest.approx(3, abs=0.1)
    assert p50["wait"] + p50["hold"] == pytest.approx(10, abs=0.1)
    assert report.tick_ms["p50"] == pytest.approx(37, abs=0.1), "no part of a tick"
    assert sum(p50[stage] for stage in STAGES) == pytest.approx(50, abs=0.1)


def test_without_spans_a_report_has_no_stages_but_all_costs() -> None:
    report = Setting().session.run(20)
    assert report.stages_ms == {}
    assert report.tick_ms["p99"] is not None


def test_the_loop_keeps_no_frames() -> None:
    def measure() -> None:
        if len(sizes) < 2 and setting.input.samples in (300, 900):
            gc.collect()
            sizes.append(tracemalloc.get_traced_memory()[0])

    class Forgetful(FakeDisplay):
        def present(self) -> None:
            measure()

    sizes: list[int] = []
    setting = Setting(display=Forgetful())
    tracemalloc.start()
    setting.session.run(1000)
    tracemalloc.stop()
    # The fakes keep some words a tick; one frame is 49 kB.
    assert (sizes[1] - sizes[0]) / 600 < 1000
