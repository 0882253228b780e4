"""The transformer's two paths, against plain attention that loops over frames with explicit masks.

All weights are random, those that start as zero too. `Naive` knows only who may see whom, and how
far apart they stand: everything else follows from the network's own layers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from world_model.actions import MARKS
from world_model.cache import CacheIndex
from world_model.cast import COMINGS
from world_model.config import SOURCES, WindowConfig, WorldConfig
from world_model.network.attention import Memory
from world_model.network.dit import Backdrop, RollingDiT, StepOutput
from world_model.network.laying import lay
from world_model.network.painter import SOURCE_BIAS
from world_model.network.rope import rotate
from world_model.schedule import window_sigmas

BATCH, TICKS, CLEAN = 2, 3, 8
TOLERANCE = {"atol": 3e-5, "rtol": 1e-4}


def predecessor(frame: int) -> int:
    """The frame before one; the one right after the sink need not follow it, so has none."""
    return frame if frame < 2 else frame - 1


@dataclass(frozen=True)
class Moment:
    """All finished frames (B, n, 48, h, w), the sink first, and the slots (B, T, C, h, w), of which
    the network sees no more than C channels."""

    scenery: Tensor
    clean: Tensor
    clean_actions: Tensor
    slots: Tensor
    slot_actions: Tensor
    trail: Tensor
    cast: Tensor
    places: Tensor

    def window(self) -> tuple[Tensor, Tensor, Tensor]:
        """The previous frame; the one before it and the slots; actions of that and of these."""
        last = self.clean.shape[1] - 1
        before = self.clean[:, [predecessor(last)], : self.slots.shape[2]]
        return (
            self.clean[:, last],
            torch.cat([before, self.slots], 1),
            torch.cat([self.clean_actions[:, -1:], self.slot_actions], 1),
        )

    def backdrop(self, dit: RollingDiT) -> Backdrop:
        return dit.backdrop(self.scenery, self.clean[:, 0], self.trail[:, 0], self.cast)

    def trail_of_window(self) -> Tensor:
        last = self.clean.shape[1] - 1
        return self.trail[:, [0, predecessor(last), last]]

    def cut(self, frames: int) -> Moment:
        return replace(self, clean=self.clean[:, :frames],
                       clean_actions=self.clean_actions[:, :frames],
                       trail=self.trail[:, :frames])  # fmt: skip


@dataclass(frozen=True)
class Clip:
    """A sink frame and `CLEAN` - 1 that follow, and a window for each of the last ticks."""

    scenery: Tensor
    clean: Tensor
    clean_actions: Tensor
    slots: Tensor
    slot_actions: Tensor
    trail: Tensor
    cast: Tensor
    places: Tensor

    def moment(self, tick: int) -> Moment:
        """What there is at window `tick`, 0 being the first."""
        last = CLEAN - TICKS + tick + 1
        whole = Moment(
            self.scenery, self.clean, self.clean_actions,
            self.slots[:, tick], self.slot_actions[:, tick], self.trail, self.cast,
            self.places[:, tick],
        )  # fmt: skip
        return whole.cut(last)

    def run(self, dit: RollingDiT, corners: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            return self.outputs(dit, corners)

    def outputs(self, dit: RollingDiT, corners: Tensor | None = None) -> Tensor:
        sigmas = torch.from_numpy(window_sigmas(dit.window))
        return dit.clip(
            self.scenery, self.clean, sigmas[:1].expand(BATCH, CLEAN), self.clean_actions,
            self.slots, sigmas[1:].expand(BATCH, TICKS, -1), self.slot_actions,
            self.trail, self.cast, self.places, corners,
        )  # fmt: skip


@pytest.fixture
def clip(tiny: WorldConfig) -> Clip:
    generator = torch.Generator().manual_seed(1)
    slots, action = tiny.window.slots, (len(tiny.buttons) + MARKS,)
    shapes = (tiny.latent_shape, (CLEAN, *tiny.latent_shape), (CLEAN, *action),
              (TICKS, slots, *tiny.seen_shape), (TICKS, slots, *action))  # fmt: skip
    tensors = [torch.randn(BATCH, *shape, generator=generator) for shape in shapes]
    cast = tiny.cast
    drawn = torch.rand(BATCH, cast.drawings, 4, cast.height, cast.width, generator=generator)
    limits = (tiny.frame_height, tiny.frame_width, cast.drawings, len(COMINGS))
    places, trail = (
        torch.stack(
            [torch.randint(n, (BATCH, *shape, cast.actors), generator=generator) for n in limits],
            -1,
        )
        for shape in ((TICKS, slots), (CLEAN,))
    )
    return Clip(*tensors, trail, drawn, places)


class Naive:
    """One window after all frames before it: every frame attends to a list of others."""

    def __init__(self, dit: RollingDiT) -> None:
        self.dit = dit

    def sees(self, frame: int, head: int) -> list[tuple[int, int]]:
        """Say which frames a frame sees and at what time each stands; frames >= head are slots."""
        if frame == 0:
            return [(0, 0)]
        recent, previous = self.dit.window.recent_frames, min(frame, head - 1)
        seen = [(i, i) for i in range(max(1, previous - recent), previous + 1)]
        seen += [(0, previous - recent - 1)]
        if frame >= head:
            seen += [(head + slot, head + slot) for slot in range(self.dit.window.slots)]
        return seen

    @torch.no_grad()
    def run(self, moment: Moment) -> Tensor:
        """Return x0 of the slots."""
        dit, head = self.dit, moment.clean.shape[1]
        channels = dit.config.codec.channels
        clean, backdrop = moment.clean[:, :, :channels], moment.backdrop(dit)
        window = window_sigmas(dit.window)
        sigmas = torch.tensor([window[0]] * head + [*window[1:]]).expand(BATCH, -1)
        latents = torch.cat([clean, moment.slots], 1)
        frames = [*range(head)] + [head - 1] * dit.window.slots
        before = [predecessor(frame) for frame in frames]
        trails = torch.stack([moment.trail[:, before], moment.trail[:, frames]], 2)
        past = dit.embedder.past(clean[:, frames], clean[:, before], trails, backdrop.behind)
        laid, last = (
            lay(moment.cast, places, past.shape[-2:])
            for places in (moment.places, moment.trail[:, -1:])
        )
        left = torch.cat([last.opacity, laid.opacity[:, :-1]], 1)
        past[:, head:] += dit.embedder.going(laid)
        actions = torch.cat([moment.clean_actions, moment.slot_actions], 1)
        there = torch.cat([moment.trail, moment.places], 1)
        seen = dit.embedder(latents, past, sigmas, actions, there, None)
        x = seen.x
        for block in dit.blocks:
            x = block(x, seen.cond, lambda q, k, v: self.attend(q, k, v, head))
        told = dit.readout(x[:, head:], seen.slots(head))
        base = moment.clean[:, -1]
        pixels = dit.painter.pixels(base)
        painted: Tensor = dit.painter(told, base, pixels, backdrop.sources, laid, left)
        return painted

    def attend(self, q: Tensor, k: Tensor, v: Tensor, head: int) -> Tensor:
        mixed = []
        for frame in range(q.shape[1]):
            seen = self.sees(frame, head)
            query = self.turned(q[:, frame], frame)
            keys = torch.cat([self.turned(k[:, i], time) for i, time in seen], 1)
            values = torch.cat([v[:, i] for i, _ in seen], 1)
            scores = torch.einsum("bnhd,bmhd->bhnm", query, keys) / q.shape[-1] ** 0.5
            mixed.append(torch.einsum("bhnm,bmhd->bnhd", F.softmax(scores, -1), values))
        return torch.stack(mixed, 1)

    def turned(self, x: Tensor, time: int) -> Tensor:
        return rotate(x[:, None], self.dit.rope(torch.tensor([float(time)])))[:, 0]


@torch.no_grad()
def step_at(dit: RollingDiT, moment: Moment) -> StepOutput:
    """Run the step path: every frame but the last rides through a window, into the cache."""
    config = dit.config
    index, sigmas = CacheIndex(config.window), torch.from_numpy(window_sigmas(config.window))
    shape = (BATCH, config.dit.depth, config.window.cache_frames, config.tokens, config.dit.width)
    cache_k, cache_v, backdrop = torch.zeros(shape), torch.zeros(shape), moment.backdrop(dit)
    for frames in range(1, moment.clean.shape[1]):
        previous, window, actions = moment.cut(frames).window()
        ages = torch.from_numpy(index.ages.copy())
        trail = moment.cut(frames).trail_of_window()
        memory = Memory(cache_k, cache_v, ages)
        seen = sigmas, actions, memory, trail, moment.cast, backdrop
        out = dit.step(previous, window, *seen)
        (place,) = index.push()
        cache_k[:, :, place], cache_v[:, :, place] = out.k, out.v
    previous, window, actions = moment.window()
    memory = Memory(cache_k, cache_v, torch.from_numpy(index.ages))
    seen = sigmas, actions, memory, moment.trail_of_window(), moment.cast, backdrop
    return dit.step(previous, window, *seen, places=moment.places)


@pytest.mark.parametrize("tick", range(TICKS))
def test_a_clip_equals_plain_attention(dit: RollingDiT, clip: Clip, tick: int) -> None:
    expected = Naive(dit).run(clip.moment(tick))
    torch.testing.assert_close(clip.run(dit)[:, tick], expected, **TOLERANCE)


@pytest.mark.parametrize("frames", range(2, CLEAN + 1))
def test_a_step_on_the_cache_equals_plain_attention(
    dit: RollingDiT, clip: Clip, frames: int
) -> None:
    moment = clip.moment(TICKS - 1).cut(frames)
    out = step_at(dit, moment)
    torch.testing.assert_close(out.x0, Naive(dit).run(moment), **TOLERANCE)


@pytest.mark.parametrize("tick", range(TICKS))
def test_clip_and_step_are_one_network(dit: RollingDiT, clip: Clip, tick: int) -> None:
    stepped = step_at(dit, clip.moment(tick))
    torch.testing.assert_close(clip.run(dit)[:, tick], stepped.x0, **TOLERANCE)


@pytest.mark.parametrize(
    "window",
    [
        WindowConfig(recent_frames=1), WindowConfig(recent_frames=4),
        WindowConfig(sink_frames=0), WindowConfig(slots=1, sink_frames=0, recent_frames=1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("tick", [0, TICKS - 1])
def test_they_are_one_for_other_windows_too(
    tiny: WorldConfig, clip: Clip, stir: Callable[[nn.Module], RollingDiT], window: WindowConfig,
    tick: int,
) -> None:  # fmt: skip
    dit = stir(RollingDiT(replace(tiny, window=window)))
    slots = slice(window.slots)
    clip = replace(clip, slots=clip.slots[:, :, slots], places=clip.places[:, :, slots],
                   slot_actions=clip.slot_actions[:, :, slots])  # fmt: skip
    stepped = step_at(dit, clip.moment(tick))
    torch.testing.assert_close(clip.run(dit)[:, tick], stepped.x0, **TOLERANCE)


def disturbed(x: Tensor, *at: int | slice) -> Tensor:
    changed = x.clone()
    changed[(slice(None), *at)] += 1.0
    return changed


def test_a_window_sees_no_later_frame_and_no_other_window(dit: RollingDiT, clip: Clip) -> None:
    x0 = clip.run(dit)
    future = CLEAN - TICKS + 1  # the frame that the first window's head becomes
    later = replace(
        clip,
        clean=disturbed(clip.clean, future),
        clean_actions=disturbed(clip.clean_actions, future),
        slots=disturbed(clip.slots, 1),
        slot_actions=disturbed(clip.slot_actions, 1),
    ).run(dit)
    torch.testing.assert_close(later[:, 0], x0[:, 0], rtol=0, atol=0)
    assert (later[:, 1] - x0[:, 1]).abs().amax() > 1e-3
    other = replace(clip, slots=disturbed(clip.slots, 0)).run(dit)
    torch.testing.assert_close(other[:, 1:], x0[:, 1:], rtol=0, atol=0)


def test_slots_see_each_other_both_ways(dit: RollingDiT, clip: Clip) -> None:
    x0 = clip.run(dit)
    for changed, seen in ((0, -1), (-1, 0)):
        other = replace(clip, slots=disturbed(clip.slots, slice(None), changed)).run(dit)
        assert (other[:, :, seen] - x0[:, :, seen]).abs().amax() > 1e-3


def test_a_finished_frame_sees_no_slot(dit: RollingDiT, clip: Clip) -> None:
    moment = clip.moment(0)
    out = step_at(dit, moment)
    planned = replace(moment, slots=moment.slots + 1, slot_actions=moment.slot_actions + 1)
    other = step_at(dit, planned)
    torch.testing.assert_close((other.k, other.v), (out.k, out.v), rtol=0, atol=0)
    assert (other.x0 - out.x0).abs().amax() > 1e-3


@pytest.mark.parametrize("what", ["clean", "clean_actions", "slot_actions"])
def test_history_and_actions_reach_the_head(dit: RollingDiT, clip: Clip, what: str) -> None:
    moment = clip.moment(0)
    head = step_at(dit, moment).x0[:, 0]
    oldest = moment.clean.shape[1] - 1 - dit.window.recent_frames
    for frame in range(getattr(moment, what).shape[1]):
        if what != "slot_actions" and 0 < frame < oldest - 1:
            continue  # forgotten
        changed = replace(moment, **{what: disturbed(getattr(moment, what), frame)})
        assert (step_at(dit, changed).x0[:, 0] - head).abs().amax() > 1e-4, frame


def test_an_untrained_network_predicts_that_hardly_anything_changes(
    tiny: WorldConfig, clip: Clip
) -> None:
    clean = clip.scenery[:, None].expand_as(clip.clean).contiguous()
    still = replace(clip, clean=clean, cast=torch.zeros_like(clip.cast))
    x0 = still.run(RollingDiT(tiny))
    share = torch.softmax(torch.tensor([0.0, *[SOURCE_BIAS] * SOURCES]), 0)
    previous = still.clean[:, -TICKS:, None].expand_as(x0)
    assert (x0 - previous).abs().mean() < (SOURCES + 1) * share[1] * previous.abs().mean()


def test_what_is_remembered_of_a_frame_is_what_a_step_makes_of_it(
    dit: RollingDiT, clip: Clip
) -> None:
    moment = clip.moment(0)
    previous, window, actions = moment.window()
    sigmas = torch.from_numpy(window_sigmas(dit.window))
    config = dit.config
    shape = (BATCH, config.dit.depth, config.window.cache_frames, config.tokens, config.dit.width)
    memory = Memory(torch.randn(shape), torch.randn(shape), torch.tensor([4.0, 3.0, 2.0]))
    with torch.no_grad():
        trail, backdrop = moment.trail_of_window(), moment.backdrop(dit)
        out = dit.step(previous, window, sigmas, actions, memory, trail, clip.cast, backdrop)
        seen = memory, trail, backdrop.behind
        kept = dit.remember(previous, window[:, :1], actions[:, :1], *seen)
    torch.testing.assert_close(kept, (out.k, out.v))


def test_where_actors_are_is_found_if_it_is_not_told(dit: RollingDiT, clip: Clip) -> None:
    moment = clip.moment(0)
    previous, window, actions = moment.window()
    sigmas, config = torch.from_numpy(window_sigmas(dit.window)), dit.config
    shape = (BATCH, config.dit.depth, config.window.cache_frames, config.tokens, config.dit.width)
    memory = Memory(torch.randn(shape), torch.randn(shape), torch.tensor([4.0, 3.0, 2.0]))
    with torch.no_grad():
        trail, backdrop = moment.trail_of_window(), moment.backdrop(dit)
        seen = sigmas, actions, memory, trail, clip.cast, backdrop
        alone = dit.step(previous, window, *seen)
        again = dit.step(previous, window, *seen, places=alone.places)
        pictures = torch.cat([backdrop.sources[:, 0], dit.painter.pixels(previous)], 1)
        found = dit.finder(pictures, actions[:, 1:], trail)
    assert torch.equal(alone.places, found)
    assert torch.equal(again.places, alone.places)
    assert torch.equal(alone.x0, again.x0)


@torch.no_grad()
def test_what_is_said_to_stay_goes_on_to_the_bit_seen_or_not(dit: RollingDiT, clip: Clip) -> None:
    nn.init.zeros_(dit.readout.tell.weight)
    nn.init.constant_(dit.readout.tell.bias, -60.0)
    moment = replace(clip.moment(0), cast=torch.zeros_like(clip.cast))
    x0 = step_at(dit, moment).x0
    assert torch.equal(x0, moment.clean[:, -1:].expand_as(x0))


@torch.no_grad()
def test_how_actors_move_is_seen_in_pixels_that_the_large_network_cannot_see(
    dit: RollingDiT, clip: Clip
) -> None:
    moment, pictures = clip.moment(0), []
    dit.finder.register_forward_pre_hook(lambda _, given: pictures.append(given[0]))
    out = step_at(dit, moment)
    unseen = moment.scenery.clone()
    unseen[:, dit.config.codec.channels :] += 1.0
    other = step_at(dit, replace(moment, scenery=unseen))
    torch.testing.assert_close((other.k, other.v), (out.k, out.v), rtol=0, atol=0)
    assert (pictures[0] - pictures[len(pictures) // 2]).abs().amax() > 1e-3


def test_gradients_reach_every_weight(dit: RollingDiT, clip: Clip) -> None:
    dit.finder.requires_grad_(False)  # it is trained apart
    clip.outputs(dit).square().sum().backward()
    for name, param in dit.named_parameters():
        if not param.requires_grad:
            continue
        assert param.grad is not None, name
        assert param.grad.abs().amax() > 0, name


@torch.no_grad()
def test_a_crop_as_large_as_the_frame_is_the_frame(dit: RollingDiT, clip: Clip) -> None:
    x0 = clip.run(dit, torch.zeros(BATCH, 2, dtype=torch.long))
    torch.testing.assert_close(x0, clip.run(dit))
