"""The rolling world at play: what it hands to the graphs tick by tick, and what it keeps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from world_model.accelerator import NoAccelerator
from world_model.actions import encode_actions
from world_model.backend import Buffers
from world_model.bundle import CONFIG_FILE, read_config
from world_model.cache import REFRESH_TICKS
from world_model.cast import NOWHERE, read_cast
from world_model.config import WindowConfig, WorldConfig
from world_model.errors import ConfigError, WorldError
from world_model.sampling import SampledWorld
from world_model.schedule import raised, staircase, tick_noise, window_sigmas
from world_model.world import RollingWorld

SEED = 11
HELD = np.array([[0, 1, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 0, 1]], np.bool_)


def moved_on(given: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """What the fake step makes of a window: slots halve, with noise, behind the previous frame."""
    slots = given["window"][:, 1:] * 0.5 + given["noise"]
    return np.concatenate([given["previous"][:, None, : slots.shape[2]], slots], 1)


def finished(given: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The frame that it finishes: of the head as far as that is seen, of the previous one else."""
    memory = given["cache_k"].mean() + given["ages"].sum() + given["actions"][0, 1] @ range(6)
    head = given["window"][:, 1]
    latents = np.concatenate([head, given["previous"][:, head.shape[1] :]], 1)
    return np.asarray(latents * 0.5 + memory / 100 + given["behind"].mean() / 10)


class FakeBackend:
    """Graphs that are simple arithmetic, and a record of all that they were given.

    A finished frame depends on window, cache and actions; keys are the number of the call.
    """

    name = "fake"
    accelerator = NoAccelerator()

    def __init__(self) -> None:
        self.bound: list[str] = []
        self.encoded: list[NDArray[np.uint8]] = []
        self.ticks: list[dict[str, NDArray[Any]]] = []

    def bind(
        self,
        graph: str,
        inputs: Buffers,
        outputs: Buffers,
        *,
        computed: Callable[[], object] | None = None,
    ) -> Callable[[], None]:
        self.bound.append(graph)
        run = {"step": self._step, "decode": self._decode, "encode": self._encode,
               "backdrop": self._backdrop}[graph]  # fmt: skip

        def call() -> None:
            run(dict(inputs), dict(outputs))
            if computed is not None:
                computed()

        return call

    def operators(self) -> tuple[()]:
        return ()

    def _step(self, given: dict[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
        self.ticks.append({name: array.copy() for name, array in given.items()})
        out["head"][:] = finished(given)
        out["next_window"][:] = moved_on(given)
        out["next_trail"][:] = given["trail"] + 1
        out["k"][:] = len(self.ticks)
        out["v"][:] = -len(self.ticks)

    def _backdrop(self, given: dict[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
        out["sources"][:] = given["scenery"].mean() + given["start"].mean()
        out["behind"][:] = given["first"].mean() + given["cast"].mean()

    def _encode(self, given: dict[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
        self.encoded.append(given["frame"].copy())
        out["latents"][:] = given["frame"].mean() / 100

    def _decode(self, given: dict[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
        out["frame"][:] = (given["latents"].mean() * 1000).astype(np.int64) % 256


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def world(tiny: WorldConfig, backend: FakeBackend) -> RollingWorld:
    return RollingWorld(tiny, backend)


@pytest.fixture
def start(tiny: WorldConfig) -> NDArray[np.uint8]:
    count = tiny.window.start_frames
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *tiny.frame_shape), np.uint8)


def play(world: RollingWorld, start: NDArray[np.uint8], seed: int = SEED) -> list[bytes]:
    world.reset(start, seed=seed)
    return [world.step(held).tobytes() for held in HELD]


def test_a_world_says_what_it_is(world: RollingWorld, tiny: WorldConfig) -> None:
    assert (world.name, world.backend, world.buttons) == ("tiny", "fake", tiny.buttons)
    assert world.frame_shape == (32, 48, 3)
    assert world.passes_per_tick == 1
    assert world.start_frames == tiny.window.start_frames


def test_reset_puts_all_start_frames_but_the_last_into_the_cache(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8], tiny: WorldConfig
) -> None:
    shown = world.reset(start, seed=SEED)
    np.testing.assert_array_equal(shown, start[-1])
    np.testing.assert_array_equal(np.concatenate(backend.encoded[1 - len(start) :]), start[1:])
    assert len(backend.ticks) == tiny.window.cache_frames
    levels = window_sigmas(tiny.window)[1:].reshape(-1, 1, 1, 1)
    shades, cast = [frame.mean() / 100 for frame in start], read_cast(start[0], tiny.cast)
    for i, tick in enumerate(backend.ticks):
        noise = tick_noise(SEED, 2 * i, np.empty(tick["noise"][0].shape, np.float32))
        shade, before = shades[2 + i], shades[1 + i if i > 1 else 2 + i]
        np.testing.assert_array_equal(tick["cast"][0], cast)
        np.testing.assert_allclose(tick["previous"], shade, rtol=1e-5)
        # The frame after the sink need not be its successor.
        np.testing.assert_allclose(tick["window"][0, 0], before, rtol=1e-5)
        expected = shade * (1 - levels) + levels * noise
        np.testing.assert_allclose(tick["window"][0, 1:], expected, rtol=1e-4, atol=1e-6)
        sources, behind = shades[1] + tick["trail"][0, 0].mean(), shades[2] + cast.mean()
        np.testing.assert_allclose(tick["sources"], sources, rtol=1e-5)
        np.testing.assert_allclose(tick["behind"], behind, rtol=1e-5)
        assert (tick["actions"] == encode_actions(np.zeros(3, np.bool_))).all()


def test_the_newest_action_is_in_all_slots_and_the_one_before_is_the_previous_frames(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    play(world, start)
    ticks = backend.ticks[-len(HELD) :]
    before = encode_actions(np.zeros(3, np.bool_))
    for tick, held in zip(ticks, HELD, strict=True):
        token = encode_actions(held)
        np.testing.assert_array_equal(tick["actions"][0, 0], before)
        assert (tick["actions"][0, 1:] == token).all()
        before = token


def test_the_trail_begins_where_the_start_frames_show_actors_and_goes_on(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8], tiny: WorldConfig
) -> None:
    cast = read_cast(start[0], tiny.cast)
    sprites = ((cast[:, :3] + 1) * 127.5).round().astype(np.uint8)
    players = [(3, 4, 1, 0), (5, 4, 1, 0), (7, 9, 1, 0), (8, 11, 1, 0)]
    enemies = [(20, 30, 2, 0), (20, 31, 2, 0), (20, 32, 2, 0), (20, 33, 2, 0)]
    for frame, *actors in zip(start[2:], enemies, players, strict=True):
        for top, left, drawing, _ in actors:
            rows, columns = np.nonzero(cast[drawing, 3])
            frame[top + rows, left + columns] = sprites[drawing][:, rows, columns].T
    play(world, start)
    trails = [tick["trail"][0] for tick in backend.ticks]
    nowhere = [NOWHERE] * (tiny.cast.actors - 2)
    a, b, c, d = (np.array([*actors, *nowhere]) for actors in zip(players, enemies, strict=True))
    for trail, expected in zip(trails, [(a, a, a), (a, b, b), (a, b, c), (a, c, d)], strict=False):
        np.testing.assert_array_equal(trail, expected)
    for n, trail in enumerate(trails[3:]):
        np.testing.assert_array_equal(trail, np.stack([a, c, d]) + n)


def test_a_new_action_raises_the_cleaner_slots_of_its_own_tick_and_of_no_other(
    tiny: WorldConfig, start: NDArray[np.uint8]
) -> None:
    config, backend = replace(tiny, window=replace(tiny.window, renoise=0.9)), FakeBackend()
    world, levels, (sigmas, keep, add) = (
        RollingWorld(config, backend), window_sigmas(config.window), raised(config.window)
    )  # fmt: skip
    assert (sigmas > levels).tolist() == [False, True, True, False]
    still = np.zeros(3, np.bool_)
    world.reset(start, seed=SEED)
    for action in (still, HELD[1], HELD[1], HELD[3]):
        world.step(action)
    ticks = backend.ticks[-4:]
    draw = 2 * len(start) - 5 + 1  # after those of the start and of the first tick
    for last, tick, new in zip(ticks, ticks[1:], (True, False, True), strict=False):
        window = moved_on(last)[0]
        if new:
            fresh = tick_noise(SEED, draw, np.empty_like(tick["noise"][0]))
            window[1:] = keep * window[1:] + add * fresh
            draw += 1
        np.testing.assert_allclose(tick["window"][0], window, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(tick["sigmas"], sigmas if new else levels)
        expected = tick_noise(SEED, draw, np.empty_like(tick["noise"][0]))
        np.testing.assert_array_equal(tick["noise"][0], expected)
        draw += 1
    count = len(backend.ticks)
    world.reset(start, seed=SEED)
    for tick in backend.ticks[count:]:
        np.testing.assert_array_equal(tick["sigmas"], levels)


def test_a_resident_whose_window_cannot_be_raised_is_refused(tiny: WorldConfig) -> None:
    config = replace(tiny, window=replace(tiny.window, renoise=0.9))
    resident: Any = SimpleNamespace(name="away")
    with pytest.raises(WorldError, match="away plays no world that re-noises"):
        RollingWorld(config, FakeBackend(), resident)


def test_without_it_a_new_action_leaves_window_and_levels_as_they_are(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8], tiny: WorldConfig
) -> None:
    play(world, start)
    for tick in backend.ticks:
        np.testing.assert_array_equal(tick["sigmas"], window_sigmas(tiny.window))


def test_frame_by_frame_a_world_can_take_several_passes_from_ever_lower_levels(
    tiny: WorldConfig, start: NDArray[np.uint8]
) -> None:
    config, backend = replace(tiny, window=WindowConfig(slots=1)), FakeBackend()
    world, stairs = SampledWorld(config, backend, 3), staircase(3, config.window.shift)
    world.reset(start, seed=SEED)
    count, draw = len(backend.ticks), world._draws
    head = world.denoise(HELD[0]).copy()
    world.denoise(HELD[1])
    passes = backend.ticks[count:]
    for tick, level in zip(passes, [*stairs[::-1]] * 2, strict=True):
        assert tick["sigmas"].tolist() == [0, level]
    for number, lower in ((1, stairs[1]), (2, stairs[0])):
        last = passes[number - 1]
        noise = tick_noise(SEED, draw + number - 1, np.empty_like(last["noise"][0]))[0]
        expected = (1 - lower) * finished(last)[0, : len(noise)] + lower * noise
        slot = passes[number]["window"][0, 1]
        np.testing.assert_allclose(slot, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(head, finished(passes[2])[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(passes[0]["cache_k"], passes[2]["cache_k"])
    assert passes[3]["cache_k"].max() == count + 3, "of a frame, the last pass is kept"
    with pytest.raises(ConfigError, match="only frame-by-frame worlds"):
        SampledWorld(tiny, FakeBackend(), 3)


def test_one_tick_is_one_pass(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    world.reset(start, seed=SEED)
    for count in range(1, 4):
        world.step(HELD[0])
        assert len(backend.ticks) == len(start) - 3 + count


def test_every_tick_has_the_noise_of_its_seed_and_number(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    play(world, start)
    warm = len(start) - 3  # each frame of these has a window drawn for it, and a tick
    for number, tick in enumerate(backend.ticks):
        draw = 2 * number + 1 if number < warm else number + warm + 1
        expected = tick_noise(SEED, draw, np.empty_like(tick["noise"][0]))
        np.testing.assert_array_equal(tick["noise"][0], expected)


def test_noise_drawn_ahead_of_an_action_is_the_same_and_is_drawn_once(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    play(world, start)
    noises = [tick["noise"] for tick in backend.ticks]
    drawn: list[int] = []

    def counted(seed: int, draw: int, out: NDArray[np.float32]) -> NDArray[np.float32]:
        drawn.append(draw)
        return tick_noise(seed, draw, out)

    monkeypatch.setattr("world_model.world.tick_noise", counted)
    world.prepare()  # for a session that a reset ends
    world.reset(start, seed=SEED)
    for action in HELD:
        world.prepare()
        world.prepare()
        world.step(action)
    for tick, noise in zip(backend.ticks[len(noises) :], noises, strict=True):
        np.testing.assert_array_equal(tick["noise"], noise)
    assert drawn[1:] == list(range(len(drawn) - 1))


def test_each_tick_reads_the_window_that_the_last_one_wrote(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    play(world, start)
    ticks = backend.ticks[-len(HELD) :]
    for last, tick in pairwise(ticks):
        np.testing.assert_array_equal(tick["window"], moved_on(last))


def test_finished_frames_go_round_the_ring_and_the_sink_stays(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    play(world, start)
    places = [tick["cache_k"][0, 0, :, 0, 0].tolist() for tick in backend.ticks]
    assert places == [
        [0, 0, 0], [1, 0, 0], [1, 2, 0],
        [1, 2, 3], [1, 4, 3], [1, 4, 5], [1, 6, 5], [1, 6, 7],
    ]  # fmt: skip
    ages = [tick["ages"].tolist() for tick in backend.ticks]
    assert ages == [
        [0, 0, 0], [4, 0, 0], [4, 2, 0],
        [4, 3, 2], [4, 2, 3], [4, 3, 2], [4, 2, 3], [4, 3, 2],
    ]  # fmt: skip
    last = backend.ticks[-1]
    np.testing.assert_array_equal(last["cache_v"], -last["cache_k"])


def test_the_sink_can_be_left_empty_from_the_next_start_on(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    play(world, start)
    world.anchor("off")
    assert backend.ticks[-1]["ages"][0] > 0
    count = len(backend.ticks)
    play(world, start)
    assert not any(tick["ages"][0] for tick in backend.ticks[count:])


def test_a_refreshed_sink_holds_a_later_frame(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    world.anchor("refresh")
    world.reset(start, seed=SEED)
    first = backend.ticks[-1]["cache_k"][0, 0, 0, 0, 0]
    for _ in range(REFRESH_TICKS + 1):
        world.step(HELD[0])
    last = backend.ticks[-1]
    assert last["cache_k"][0, 0, 0, 0, 0] > first
    assert last["ages"].tolist() == [4, *last["ages"][1:].tolist()]


def test_the_same_seed_and_actions_give_the_same_frames(
    tiny: WorldConfig, start: NDArray[np.uint8]
) -> None:
    first = play(RollingWorld(tiny, FakeBackend()), start)
    assert play(RollingWorld(tiny, FakeBackend()), start) == first
    assert play(RollingWorld(tiny, FakeBackend()), start, SEED + 1) != first
    assert len(set(first)) > 1


def test_a_reset_forgets_everything(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    first = play(world, start)
    play(world, start[::-1].copy(), SEED + 1)
    world.step(HELD[1])
    backend.ticks.clear()
    assert play(world, start) == first


def test_arrays_are_bound_once_and_reused(
    world: RollingWorld, backend: FakeBackend, start: NDArray[np.uint8]
) -> None:
    assert sorted(backend.bound) == ["backdrop", "decode", "encode", "step", "step"]
    world.reset(start, seed=SEED)
    latents, frame = world.denoise(HELD[0]), world.step(HELD[1])
    world.reset(start, seed=SEED)
    assert np.shares_memory(world.denoise(HELD[0]), latents)
    assert np.shares_memory(world.step(HELD[1]), frame)
    assert sorted(backend.bound) == ["backdrop", "decode", "encode", "step", "step"]


def test_kept_latents_can_be_decoded_later(world: RollingWorld, start: NDArray[np.uint8]) -> None:
    world.reset(start, seed=SEED)
    kept = world.denoise(HELD[0]).copy()
    shown = world.decode(kept).copy()
    for held in HELD:
        world.step(held)
    np.testing.assert_array_equal(world.decode(kept), shown)


def test_decoding_does_not_disturb_the_session(tiny: WorldConfig, start: NDArray[np.uint8]) -> None:
    plain, disturbed = (RollingWorld(tiny, FakeBackend()) for _ in range(2))
    plain.reset(start, seed=SEED)
    disturbed.reset(start, seed=SEED)
    for held in HELD:
        expected = plain.step(held).copy()
        disturbed.decode(np.zeros(tiny.latent_shape, np.float32))
        np.testing.assert_array_equal(disturbed.step(held), expected)


def test_too_few_start_frames_are_refused(world: RollingWorld, start: NDArray[np.uint8]) -> None:
    with pytest.raises(ValueError, match="starts from 6 frames"):
        world.reset(start[1:], seed=0)


def write_config(directory: Path, text: str) -> Path:
    (directory / CONFIG_FILE).write_text(text, encoding="utf-8")
    return directory


def test_a_config_is_read_from_its_bundle(tmp_path: Path, tiny: WorldConfig) -> None:
    assert read_config(write_config(tmp_path, json.dumps(tiny.to_dict()))) == tiny


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "a", "colour": 3}', "\x00"])
def test_a_broken_config_names_its_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(WorldError, match=CONFIG_FILE):
        read_config(write_config(tmp_path, text))


def test_a_config_that_is_no_text_names_its_file(tmp_path: Path) -> None:
    (tmp_path / CONFIG_FILE).write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(WorldError, match=CONFIG_FILE):
        read_config(tmp_path)


def test_a_missing_world_or_config_says_what_makes_one(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match=r"no such world; `rollplay export` makes one"):
        read_config(tmp_path / "nowhere")
    with pytest.raises(WorldError, match=r"config\.json: missing"):
        read_config(tmp_path)


def test_a_missing_world_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    for name in ("caverns", "cavern"):
        (tmp_path / name).mkdir()
    write_config(tmp_path / "caverns", "{}")  # the other holds no world
    with pytest.raises(WorldError, match=r"no such world; did you mean caverns\?"):
        read_config(tmp_path / "cavrens")


def test_the_stages_of_a_tick_are_marked_in_their_order(
    world: RollingWorld, start: NDArray[np.uint8]
) -> None:
    class Marks:
        def __init__(self) -> None:
            self.stages: list[str] = []

        def mark(self, stage: str) -> None:
            self.stages.append(stage)

    world.reset(start, seed=SEED)
    marks = Marks()
    world.measure(marks)
    world.step(HELD[0])
    assert marks.stages == ["encode_action", "re_noise", "step", "cache_write", "decode"]


def test_the_cache_says_how_full_it_is(
    world: RollingWorld, start: NDArray[np.uint8], tiny: WorldConfig
) -> None:
    assert world.cache_fill == (0, tiny.window.cache_frames)
    world.reset(start, seed=SEED)
    assert world.cache_fill == (tiny.window.cache_frames, tiny.window.cache_frames)


def test_it_says_where_the_actors_of_the_last_finished_frame_are(
    world: RollingWorld, start: NDArray[np.uint8], tiny: WorldConfig
) -> None:
    world.reset(start, seed=SEED)
    at_start = world.places.copy()
    assert at_start.shape == (tiny.cast.actors, len(NOWHERE))
    world.step(HELD[0])
    assert np.array_equal(world.places, world.memory["trail"][0, 2])
    assert not np.array_equal(world.places, at_start), "the fake backend moves all"


def test_frames_in_flight_are_shown_in_their_cells_mean_colour(tiny: WorldConfig) -> None:
    class Linear(FakeBackend):
        """Latents are a mix of a pixel's colours."""

        def _encode(self, given: dict[str, NDArray[Any]], out: dict[str, NDArray[Any]]) -> None:
            mix = np.random.default_rng(0).normal(size=(tiny.latent_shape[0], 3))
            pixel = given["frame"][0, 0, 0] / 255
            out["latents"][:] = (mix @ pixel + 0.3)[None, :, None, None]

    world = RollingWorld(tiny, Linear())
    colour = np.array([200, 100, 30], np.uint8)
    frames = np.broadcast_to(colour, (tiny.window.start_frames, *tiny.frame_shape))
    world.reset(frames, seed=SEED)
    pictures = world.in_flight()
    assert pictures.shape == (tiny.window.slots, *tiny.latent_shape[1:], 3)
    errors = [np.abs(picture - colour.astype(float)).mean() for picture in pictures]
    assert errors == sorted(errors), "from the clean head to the noisy tail"
