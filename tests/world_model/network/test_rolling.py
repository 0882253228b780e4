"""Sliding the window, and the bookkeeping of roll-outs in torch."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from world_model.actions import MARKS
from world_model.cast import COMINGS, NOWHERE
from world_model.config import WorldConfig
from world_model.network.attention import Memory
from world_model.network.dit import Backdrop, RollingDiT, StepOutput
from world_model.network.rolling import FrameByFrame, RollingStep, RollOut, TickOutput, slide
from world_model.schedule import raised, window_sigmas

BATCH = 2
CPU = torch.device("cpu")


def test_a_slide_moves_every_frame_one_slot_on_and_noises_it_to_that_slots_level() -> None:
    sigmas = torch.tensor([0.0, 0.4, 0.7, 1.0])
    x0, noise = torch.randn(2, BATCH, 3, 5, 2, 3)
    slid = slide(x0, sigmas, noise)
    for slot, sigma in enumerate((0.4, 0.7)):
        expected = (1 - sigma) * x0[:, slot + 1] + sigma * noise[:, slot]
        torch.testing.assert_close(slid[:, slot], expected)
    torch.testing.assert_close(slid[:, 2], noise[:, 2], rtol=0, atol=0)


class FakeStep:
    """A step that keeps its inputs; finished frames and keys are the number of the call."""

    def __init__(self, config: WorldConfig) -> None:
        self.dit = SimpleNamespace(config=config, remember=self.remember, backdrop=self.backdrop)
        self.window = config.window
        self.levels = torch.from_numpy(window_sigmas(config.window))
        self.calls: list[dict[str, Tensor]] = []

    def __call__(self, previous: Tensor, window: Tensor, sigmas: Tensor, actions: Tensor,
                 noise: Tensor, memory: Memory, trail: Tensor, cast: Tensor, backdrop: Backdrop,
                 corners: Tensor | None, places: Tensor | None) -> TickOutput:  # fmt: skip
        config, count = self.dit.config, float(len(self.calls) + 1)
        self.calls.append(
            {
                "previous": previous,
                "window": window,
                "sigmas": sigmas,
                "actions": actions,
                "noise": noise,
                "cache_k": memory.k,
                "ages": memory.ages,
                "cast": cast,
                "trail": trail,
                "behind": backdrop.behind,
            }
        )
        kv = torch.full((BATCH, config.dit.depth, config.tokens, config.dit.width), count)
        x0 = torch.full((BATCH, config.window.slots, *config.latent_shape), count)
        seen = (x0 + 0 * previous[:, None])[:, :, : window.shape[2]]
        before = previous[:, None, : window.shape[2]]
        following = torch.cat([before, slide(seen, self.levels, noise)], 1)
        return TickOutput(x0[:, 0], following, kv, -kv, trail + 1, x0)

    def backdrop(self, scenery: Tensor, first: Tensor, start: Tensor, cast: Tensor) -> Backdrop:
        """A sum of all that it is to be made of."""
        parts = (part.flatten(1).float().sum(1) for part in (scenery, first, start, cast))
        return Backdrop(torch.zeros(0), sum(parts, torch.zeros(BATCH)))

    def remember(
        self,
        previous: Tensor,
        before: Tensor,
        action: Tensor,
        memory: Memory,
        trail: Tensor,
        behind: Tensor,
        corners: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        config, count = self.dit.config, float(len(self.calls) + 1)
        told = {"previous": previous, "window": before, "actions": action}
        self.calls.append({**told, "ages": memory.ages, "trail": trail, "behind": behind})
        kv = torch.full((BATCH, config.dit.depth, config.tokens, config.dit.width), count)
        return kv, -kv


@pytest.fixture
def step(tiny: WorldConfig) -> FakeStep:
    return FakeStep(tiny)


@pytest.fixture
def out(step: FakeStep) -> RollOut:
    return RollOut(step, BATCH, CPU)  # type: ignore[arg-type]


def begin(out: RollOut, config: WorldConfig) -> dict[str, Tensor]:
    count, latent, cast = config.window.cache_frames + 1, config.latent_shape, config.cast
    given = {
        "cast": torch.rand(BATCH, cast.drawings, 4, cast.height, cast.width),
        "scenery": torch.randn(BATCH, *latent),
        "frames": torch.randn(BATCH, count, *latent),
        "trail": torch.randint(0, 20, (BATCH, count, cast.actors, len(NOWHERE))) % len(COMINGS),
        "actions": torch.randn(BATCH, count, len(config.buttons) + MARKS),
        "plan": torch.randn(BATCH, config.window.slots - 1, *latent),
        "noise": torch.randn(BATCH, config.window.slots, *config.seen_shape),
    }
    out.start(**given)
    return given


def expected_behind(step: FakeStep, given: dict[str, Tensor], trail: Tensor) -> Tensor:
    """What a session is to know of its first frame, and where actors were in that."""
    scenery, first, start = given["scenery"], given["frames"][:, 0], trail[:, 0]
    return step.backdrop(scenery, first, start, given["cast"]).behind


def test_start_frames_but_the_last_go_one_by_one_into_the_cache(
    out: RollOut, step: FakeStep, tiny: WorldConfig
) -> None:
    given, channels = begin(out, tiny), tiny.codec.channels
    seen = given["frames"][:, :, :channels]
    assert len(step.calls) == tiny.window.cache_frames
    for i, call in enumerate(step.calls):
        assert torch.equal(call["previous"], given["frames"][:, i])
        before = i if i < 2 else i - 1
        assert torch.equal(call["window"][:, 0], seen[:, before])
        assert torch.equal(call["behind"], expected_behind(step, given, given["trail"]))
        assert torch.equal(call["trail"], given["trail"][:, [0, before, i]])
        assert torch.equal(call["actions"], given["actions"][:, i : i + 1])
    assert (out.index.ages > 0).all()
    assert out.cache_k[0, 0, :, 0, 0].tolist() == [1, 2, 3]
    assert out.cache_v[0, 0, :, 0, 0].tolist() == [-1, -2, -3]


def test_the_first_window_is_the_last_frame_and_the_plan_at_their_levels(
    out: RollOut, tiny: WorldConfig
) -> None:
    given = begin(out, tiny)
    sigmas = torch.from_numpy(window_sigmas(tiny.window))
    seen = slice(tiny.codec.channels)
    planned = torch.cat([given["frames"][:, -1:], given["plan"]], 1)[:, :, seen]
    torch.testing.assert_close(out.window[:, 1:], slide(planned, sigmas, given["noise"]))
    assert torch.equal(out.window[:, 0], given["frames"][:, -2, seen])
    assert torch.equal(out.previous, given["frames"][:, -1])
    assert torch.equal(out.trail, given["trail"][:, [0, -2, -1]])


def test_a_new_action_conditions_all_slots_and_the_one_before_the_previous_frame(
    out: RollOut, step: FakeStep, tiny: WorldConfig
) -> None:
    given = begin(out, tiny)
    shape = given["noise"].shape
    acted = [given["actions"][:, -1], *torch.randn(3, BATCH, len(tiny.buttons) + MARKS)]
    for before, action in pairwise(acted):
        out.tick(action, torch.randn(shape))
        rows = step.calls[-1]["actions"].unbind(1)
        assert torch.equal(rows[0], before)
        assert all(torch.equal(row, action) for row in rows[1:])


def test_each_tick_gets_the_window_that_the_last_one_left_and_grows_older(
    out: RollOut, step: FakeStep, tiny: WorldConfig
) -> None:
    given = begin(out, tiny)
    for _ in range(3):
        left, trail, previous = out.window, out.trail, out.previous
        out.tick(given["actions"][:, 0], out.noise())
        assert step.calls[-1]["window"] is left
        assert step.calls[-1]["previous"] is previous
        assert torch.equal(step.calls[-1]["behind"], expected_behind(step, given, trail))
        assert step.calls[-1]["cast"] is given["cast"]
        assert step.calls[-1]["trail"] is trail
        assert torch.equal(out.trail, trail + 1)
    # Pushed as calls 1 to 6: sink 1, then a ring of two.
    assert out.cache_k[0, 0, :, 0, 0].tolist() == [1, 6, 5]
    assert out.index.ages.tolist() == [4, 2, 3]
    assert [call["ages"].tolist() for call in step.calls[:4]] == [
        [0, 0, 0], [4, 0, 0], [4, 2, 0], [4, 3, 2],
    ]  # fmt: skip


@torch.no_grad()
def test_the_trail_is_where_actors_were_at_the_start_and_in_the_two_last_frames(
    tiny: WorldConfig, dit: RollingDiT
) -> None:
    out = RollOut(RollingStep(dit), BATCH, CPU)
    given = begin(out, tiny)
    told = torch.randint(0, 20, (3, BATCH, tiny.window.slots, tiny.cast.actors, len(NOWHERE)))
    told[..., 2] %= tiny.cast.drawings
    told[..., 3] %= len(COMINGS)
    for places in told:
        out.tick(given["actions"][:, 0], out.noise(), places)
    start, last = given["trail"][:, 0], told[2, :, 0]
    assert torch.equal(out.trail, torch.stack([start, told[1, :, 0], last], 1))
    action, shown = given["actions"][:, 0], (given["scenery"], out.previous)
    pictures = torch.cat([dit.painter.pixels(latents) for latents in shown], 1)
    found = dit.finder(pictures, action[:, None], out.trail)[:, 0]
    out.tick(action, out.noise())
    assert torch.equal(out.trail, torch.stack([start, last, found], 1))


def test_noise_is_drawn_for_the_batch_and_what_the_network_sees(tiny: WorldConfig) -> None:
    step = FakeStep(tiny)
    whole = RollOut(step, BATCH, CPU)  # type: ignore[arg-type]
    crops = RollOut(step, BATCH, CPU, torch.zeros(BATCH, 2), (1, 2))  # type: ignore[arg-type]
    assert whole.noise().shape == (BATCH, tiny.window.slots, *tiny.seen_shape)
    assert crops.noise().shape == (BATCH, tiny.window.slots, tiny.codec.channels, 4, 8)
    assert crops.noise().std() == pytest.approx(1, abs=0.2)


def test_only_worlds_whose_action_is_new_have_their_cleaner_slots_raised(tiny: WorldConfig) -> None:
    config = replace(tiny, window=replace(tiny.window, renoise=0.9))
    step = FakeStep(config)
    out = RollOut(step, BATCH, CPU)  # type: ignore[arg-type]
    given = begin(out, config)
    action = given["actions"][:, -1].clone()
    action[0] += 1
    window, noise = out.window.clone(), out.noise()
    out.tick(action, out.noise(), raising=noise)
    sigmas, keep, add = (torch.from_numpy(part) for part in raised(config.window))
    told = step.calls[-1]
    assert torch.equal(told["sigmas"], torch.stack([sigmas, *[out.sigmas] * (BATCH - 1)]))
    assert torch.equal(told["window"][1:], window[1:])
    assert torch.equal(told["window"][0, 0], window[0, 0])
    torch.testing.assert_close(told["window"][0, 1:], keep * window[0, 1:] + add * noise[0])
    out.tick(action, out.noise())
    assert torch.equal(step.calls[-1]["sigmas"], out.sigmas.expand(BATCH, -1)), "held by now"


def test_the_levels_after_a_pass_are_the_staircases_whatever_those_before_it(
    tiny: WorldConfig, dit: RollingDiT
) -> None:
    step = RollingStep(dit)
    out = RollOut(step, BATCH, CPU)
    given = begin(out, tiny)
    window, noise, levels = out.window, out.noise(), out.sigmas
    higher = torch.cat([levels[:1], levels[1:].clamp(min=0.9)]).expand(BATCH, -1)
    actions = given["actions"][:, :1].expand(-1, len(levels), -1)
    memory = Memory(out.cache_k, out.cache_v, torch.from_numpy(out.index.ages))
    with torch.no_grad():
        backdrop = dit.backdrop(out.scenery, out.first, out.trail[:, 0], out.cast)
        seen = actions, noise, memory, out.trail, out.cast, backdrop
        result = step(out.previous, window, higher, *seen)
        plain = step(out.previous, window, levels, *seen)
    slid = slide(result.x0[:, :, : tiny.codec.channels], levels, noise)
    torch.testing.assert_close(result.window[:, 1:], slid)
    assert not torch.equal(result.x0, plain.x0), "but the pass is told"


def test_gradients_stay_within_a_tick(tiny: WorldConfig, dit: RollingDiT) -> None:
    out = RollOut(RollingStep(dit), BATCH, CPU)
    given = begin(out, tiny)
    noise = out.noise()
    first = out.tick(given["actions"][:, 0], noise)
    assert first.x0.requires_grad
    for kept in (out.previous, out.window, out.cache_k, out.cache_v):
        assert not kept.requires_grad


def test_the_head_a_tick_returns_is_the_first_slots_clean_frame(
    tiny: WorldConfig, dit: RollingDiT
) -> None:
    out = RollOut(RollingStep(dit), BATCH, CPU)
    given = begin(out, tiny)
    with torch.no_grad():
        result = out.tick(given["actions"][:, 0], out.noise())
    assert torch.equal(result.head, result.x0[:, 0])
    assert torch.equal(out.previous, result.head)
    before = given["frames"][:, -1, : tiny.codec.channels]
    assert torch.equal(result.window[:, 0], before)


def test_playing_a_window_is_a_tick_under_its_first_key(tiny: WorldConfig, dit: RollingDiT) -> None:
    out, other = (RollOut(RollingStep(dit), BATCH, CPU) for _ in range(2))
    given = begin(out, tiny)
    other.start(**given)
    slots = tiny.window.slots
    keys = given["actions"][:, :1].expand(-1, slots, -1)
    places = torch.zeros(BATCH, slots, tiny.cast.actors, len(NOWHERE), dtype=torch.int64)
    torch.manual_seed(0)
    x0 = out.play(keys, places)
    torch.manual_seed(0)
    assert torch.equal(x0, other.tick(keys[:, 0], other.noise(), places).x0)
    assert x0.shape == (BATCH, slots, *tiny.latent_shape)
    assert RollOut.ticks_a_window(tiny.window) == 1


def test_frame_by_frame_draws_each_from_noise_at_all_levels_of_the_window(
    tiny: WorldConfig, dit: RollingDiT, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = FrameByFrame(RollingStep(dit), BATCH, CPU)
    given = begin_frame_by_frame(out, tiny)
    slots, calls, step = tiny.window.slots, [], dit.step

    def traced(previous: Tensor, window: Tensor, sigmas: Tensor, actions: Tensor,
               *more: Tensor) -> StepOutput:  # fmt: skip
        result = step(previous, window, sigmas, actions, *more)
        calls.append((previous, sigmas, actions, torch.is_grad_enabled(), result.x0))
        return result

    monkeypatch.setattr(dit, "step", traced)
    keys = torch.randn(BATCH, slots, len(tiny.buttons) + MARKS)
    places = torch.zeros(BATCH, slots, tiny.cast.actors, len(NOWHERE), dtype=torch.int64)
    x0 = out.play(keys, places)
    assert FrameByFrame.ticks_a_window(tiny.window) == slots
    assert len(calls) == slots * slots
    levels = window_sigmas(tiny.window)[1:][::-1].tolist()
    finished = given["frames"][:, -1]
    for tick in range(slots):
        passes = calls[tick * slots : (tick + 1) * slots]
        assert [float(sigmas[1]) for _, sigmas, *_ in passes] == pytest.approx(levels)
        assert [graded for *_, graded, _ in passes] == [False] * (slots - 1) + [True]
        for previous, _, actions, *_ in passes:
            assert torch.equal(previous, finished)
            assert torch.equal(actions[:, 1], keys[:, tick])
        assert torch.equal(passes[-1][-1][:, 0], x0[:, tick])
        finished = x0[:, tick].detach()
    assert x0.requires_grad


def begin_frame_by_frame(out: RollOut, config: WorldConfig) -> dict[str, Tensor]:
    """Begin with noise for one slot; the plan's frames are left over."""
    one = replace(config, window=replace(config.window, slots=1))
    given = begin(out, one)
    plan = torch.randn(BATCH, config.window.slots - 1, *config.latent_shape)
    out.start(**{**given, "plan": plan})
    return given
