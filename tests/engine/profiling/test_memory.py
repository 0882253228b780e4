"""Memory over a run."""

from engine.profiling.memory import MemoryLog, peak_rss_mb, rss_mb


def test_samples_once_per_interval() -> None:
    log = MemoryLog(interval_ticks=10, measure=iter(range(100)).__next__)
    for _ in range(31):
        log.observe()
    assert log.series_mb() == [0, 1, 2, 3]


def test_a_run_of_any_length_fits_and_keeps_its_first_sample() -> None:
    calls = iter(range(1_000_000))
    log = MemoryLog(interval_ticks=1, measure=lambda: float(next(calls)))
    for _ in range(10_000):
        log.observe()
    series = log.series_mb()
    assert 128 <= len(series) <= 256
    assert series[0] == 0
    assert series == sorted(series)


def test_a_machine_that_cannot_say_has_no_samples() -> None:
    log = MemoryLog(measure=lambda: None)
    log.observe()
    assert log.series_mb() == []


def test_this_machine_says_something_plausible() -> None:
    now, peak = rss_mb(), peak_rss_mb()
    assert now is None or peak is None or 1 < now <= peak * 1.1
