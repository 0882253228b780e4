"""What the world is trained on: plans of the old key, targets of the new, nothing of the future.

Latents here are the number of their frame, and noise is off, so that every tensor that reaches
the network can be traced to a moment of the recording.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from world_model.actions import MARKS
from world_model.cast import ANEW, PUT_BACK
from world_model.config import WindowConfig, WorldConfig
from world_model.errors import DataError
from world_model.schedule import staircase
from world_model.training import train_world
from world_model.training.clips import CLIP_FRAMES, CLIP_TICKS, RESTART_SHARE, ClipChooser
from world_model.training.device import Compute
from world_model.training.dream_sheet import SHEET_TICKS, SHEET_WORLDS
from world_model.training.footage import Footage
from world_model.training.self_forcing import RollOutConfig
from world_model.training.slot_noise import EvenNoise, PassNoise
from world_model.training.train_world import CropConfig, WorldTask

EPISODES, TICKS, BATCH = 3, 24, 16
NEVER = RollOutConfig(start=10**6)
WHOLE = CropConfig(share=0.0)


@pytest.fixture
def tiny(tiny: WorldConfig) -> WorldConfig:
    """A frame large enough to crop: 4x5 tokens."""
    return replace(tiny, frame_height=64, frame_width=80)


@pytest.fixture
def data(
    tiny: WorldConfig, numbered: Callable[[WorldConfig, NDArray[np.bool_]], Footage]
) -> Footage:
    rng = np.random.default_rng(0)
    held = np.repeat(rng.random((EPISODES, TICKS // 3, 3)) < 0.4, 3, 1)
    return numbered(tiny, held)


class Traced(WorldTask):
    """Keeps what reaches the network and the loss."""

    clip: dict[str, Tensor]
    graded: list[dict[str, Tensor]]

    def _errors(
        self, x0: Tensor, target: Tensor, moved: Tensor, keep: Tensor, previous: Tensor,
        anew: Tensor,
    ) -> dict[str, Tensor]:  # fmt: skip
        self.graded.append({"target": target, "moved": moved, "keep": keep, "anew": anew})
        return super()._errors(x0, target, moved, keep, previous, anew)

    def _hide(self, clean_actions: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        return clean_actions, keys


@pytest.fixture
def make(tiny: WorldConfig, data: Footage, monkeypatch: pytest.MonkeyPatch) -> Any:
    def build(
        roll_out: RollOutConfig,
        crops: CropConfig = WHOLE,
        config: WorldConfig = tiny,
        footage: Footage = data,
        **more: Any,
    ) -> Traced:
        monkeypatch.setattr(train_world, "noised", lambda x0, *_: x0)
        compute = Compute(torch.device("cpu"), torch.float32, "test")
        task = Traced(
            config, footage, compute,
            batch=BATCH, lr=1e-3, matrix_lr=1e-3, roll_out=roll_out, crops=crops,
            **more,
        )  # fmt: skip
        task.graded = []
        clip = task._clip

        def traced(*given: Tensor | None) -> Tensor:
            names = ("scenery", "clean", "clean_sigmas", "clean_actions",
                     "slots", "slot_sigmas", "actions", "trail", "cast", "places",
                     "corners")  # fmt: skip
            task.clip = dict(zip(names, given, strict=True))
            return clip(*given)

        task._clip = traced
        return task

    return build


def test_episodes_too_short_to_train_on_are_refused(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_world, "SHEET_TICKS", 40)
    with pytest.raises(
        DataError, match="24 ticks are too short; use `rollplay collect --ticks 44`"
    ):
        make(NEVER)


def number(latents: Tensor) -> list[Any]:
    """Return which frames these latents (..., C, h, w) are."""
    return latents[..., 0, 0, 0].long().tolist()


def moment(data: Footage, frame: int) -> tuple[int, int]:
    """Return the episode and tick at which a frame was the true one."""
    ((episode, tick),) = np.argwhere(data.held[..., 0] == frame)
    return int(episode), int(tick)


def test_slots_start_from_the_old_keys_plan_and_aim_at_the_new_keys(
    make: Any, data: Footage
) -> None:
    task = make(NEVER)
    task.losses(0, np.random.default_rng(0))
    clean, slots = number(task.clip["clean"]), number(task.clip["slots"])
    targets = number(task.graded[0]["target"])
    moved = task.graded[0]["moved"][..., 0, 0].long().tolist()
    for row in range(BATCH):
        for p, last in enumerate(clean[row][-len(targets[row]) :]):
            episode, tick = moment(data, last)
            head = tick + 1
            assert slots[row][p][:-1] == data.held[episode, head - 1, 1:].tolist()
            assert targets[row][p] == data.held[episode, head].tolist()
            assert moved[row][p] == [abs(aim - last) for aim in targets[row][p]]
            action = torch.from_numpy(data.actions[episode, head])
            assert (task.clip["actions"][row, p] == action).all(), "of every slot alike"


def test_the_clip_is_the_first_frame_and_consecutive_ones_with_their_actions(
    make: Any, data: Footage
) -> None:
    task = make(NEVER)
    task.losses(0, np.random.default_rng(1))
    for row, frames in enumerate(number(task.clip["clean"])):
        places = [moment(data, frame) for frame in frames]
        assert places[0][1] == 0
        assert {episode for episode, _ in places} == {places[0][0]}
        assert np.diff([tick for _, tick in places[1:]]).tolist() == [1] * (len(places) - 2)
        for i, place in enumerate(places):
            expected = torch.from_numpy(data.actions[place])
            assert torch.equal(task.clip["clean_actions"][row, i], expected)


def test_windows_under_a_new_action_are_trained_at_the_levels_they_are_raised_to(
    make: Any, tiny: WorldConfig
) -> None:
    plain, task = make(NEVER), make(NEVER)
    task.config = replace(tiny, window=replace(tiny.window, renoise=0.95))
    for each in (plain, task):
        torch.manual_seed(0)
        each.losses(0, np.random.default_rng(0))
    clean = task.clip["clean_actions"][:, -task.clip["actions"].shape[1] :]
    new = (task.clip["actions"][:, :, 0] != clean).any(-1)
    before, sigmas = plain.clip["slot_sigmas"], task.clip["slot_sigmas"]
    assert torch.equal(sigmas[~new], before[~new])
    assert torch.equal(sigmas[new], before[new].clamp(min=0.95))
    assert (before[new] < 0.95).any()


def test_several_passes_are_trained_from_the_frame_itself_at_each_of_their_levels(
    make: Any, tiny: WorldConfig, numbered: Callable[[WorldConfig, NDArray[np.bool_]], Footage]
) -> None:
    config = replace(tiny, window=WindowConfig(slots=1))
    footage = numbered(config, np.random.default_rng(0).random((EPISODES, TICKS, 3)) < 0.4)
    passes = PassNoise(3, config.window, torch.device("cpu"))
    task = make(NEVER, config=config, footage=footage, noise=passes)
    task.losses(0, np.random.default_rng(0))
    assert number(task.clip["slots"]) == number(task.graded[0]["target"])
    levels = torch.from_numpy(staircase(3, config.window.shift))
    assert torch.equal(task.clip["slot_sigmas"].unique(), levels)


def test_a_teacher_sees_true_futures_under_their_own_keys_all_at_one_level(
    make: Any, tiny: WorldConfig, data: Footage
) -> None:
    even = EvenNoise(tiny.window, torch.device("cpu"))
    task = make(NEVER, footage=data.recorded_futures(own_keys=True), noise=even)
    task.losses(0, np.random.default_rng(0))
    assert number(task.clip["slots"]) == number(task.graded[0]["target"])
    sigmas = task.clip["slot_sigmas"]
    assert torch.equal(sigmas, sigmas[..., :1].expand_as(sigmas))
    assert len(sigmas.unique()) == sigmas[..., 0].numel()
    for row, frames in enumerate(number(task.graded[0]["target"])):
        for p, window in enumerate(frames):
            episode, head = moment(data, window[0])
            times = (head + np.arange(len(window))).clip(max=TICKS)
            assert window == data.held[episode, times, 0].tolist()
            expected = torch.from_numpy(data.actions[episode, times])
            assert torch.equal(task.clip["actions"][row, p], expected)


def test_motion_weighs_as_much_as_it_is_told(make: Any) -> None:
    losses = []
    for weight in (0.0, 11.0):
        task = make(NEVER, motion_weight=weight)
        x0, moved = torch.ones(1, 1, 3, 48, 16, 20), torch.ones(1, 1, 3, 16, 20)
        task.dit.painter.borrowed = torch.zeros(())
        task.dit.painter.surprise = lambda *_: torch.zeros(1, 3, 16, 16, 20)
        judged = task._errors(
            x0, 0 * x0, moved, torch.ones_like(moved), x0[:, :, 0], x0[:, :, :, 0, 0, 0]
        )
        losses.append(judged["loss"])
    torch.testing.assert_close(losses[1], 12 * losses[0])


def test_the_tail_holds_noise_alone(make: Any) -> None:
    task = make(NEVER)
    task.losses(0, np.random.default_rng(0))
    assert (task.clip["slot_sigmas"][..., -1] == 1).all()
    assert not task.clip["slots"][:, :, -1].any()


def test_in_half_of_the_clips_or_more_the_key_changes_at_a_window(make: Any) -> None:
    task, changed = make(NEVER), 0
    for seed in range(10):
        task.losses(0, np.random.default_rng(seed))
        clean = task.clip["clean_actions"][:, -task.clip["actions"].shape[1] :]
        changed += int((task.clip["actions"][:, :, 0] != clean).any(-1).any(-1).sum())
    assert changed >= 10 * BATCH // 2


def test_in_some_clips_a_player_comes_back_alone_and_in_as_many_with_everything(
    data: Footage,
) -> None:
    places, came = data.places.copy(), {PUT_BACK: (0, 15), ANEW: (2, 13)}
    for how, (episode, tick) in came.items():
        places[episode, tick, 0, 0, 3] = how
    for episode, tick in came.values():
        late = tick - CLIP_FRAMES + np.arange(CLIP_TICKS)
        shares = []
        for footage in (data, replace(data, places=places)):
            choose = ClipChooser(footage, CLIP_TICKS)
            episodes, starts = choose(np.random.default_rng(0), CLIP_FRAMES, 4000)
            shares.append(((episodes == episode) & np.isin(starts, late)).mean())
        by_chance, of_all = shares
        assert of_all - by_chance == pytest.approx(RESTART_SHARE, abs=0.03)


def test_roll_outs_begin_at_their_step_and_take_turns_with_held_branches(make: Any) -> None:
    task = make(RollOutConfig(start=5, share=0.5, groups=1, whole_groups=1, batch=2, whole_batch=2,
                              crop_tokens=3))  # fmt: skip
    kinds = {
        step: {"tracking" in task.losses(step, np.random.default_rng(seed)) for seed in range(8)}
        for step in (4, 5)
    }
    assert kinds == {4: {False}, 5: {False, True}}


def test_an_unlikely_source_costs_as_far_as_its_cell_counts(make: Any) -> None:
    task = make(NEVER)
    x0, keep = torch.ones(1, 1, 3, 48, 16, 20), torch.zeros(1, 1, 3, 16, 20)
    keep[:, :, :, :4] = 1
    task.dit.painter.borrowed = torch.zeros(())
    task.dit.painter.surprise = lambda *_: torch.full((1, 3, 16, 16, 20), 2.0)
    judged = task._errors(x0, x0, 0 * keep, keep, x0[:, :, 0], x0[:, :, :, 0, 0, 0])
    assert judged["choice"].item() == pytest.approx(2.0 * 4 / 16)
    assert judged["loss"].item() == pytest.approx(train_world.CHOICE_WEIGHT * 2.0 * 4 / 16)


def test_roll_outs_that_have_left_the_truth_teach_nothing(make: Any) -> None:
    task = make(RollOutConfig(start=0, share=1.0, groups=1, whole_groups=0, batch=4,
                              crop_tokens=3, gate=0.0))  # fmt: skip
    losses = task.losses(100, np.random.default_rng(0))
    cost = train_world.BORROWING_COST * task.dit.painter.borrowed
    torch.testing.assert_close(losses["loss"], cost, msg="of what is judged, nothing")
    assert losses["tracking"] == 0
    losses["loss"].backward()


def test_some_actions_are_hidden_by_marks_of_their_own(tiny: WorldConfig, data: Footage) -> None:
    compute = Compute(torch.device("cpu"), torch.float32, "test")
    task = WorldTask(tiny, data, compute,
                     batch=2, lr=1e-3, matrix_lr=1e-3, roll_out=NEVER, crops=WHOLE)  # fmt: skip
    torch.manual_seed(0)
    zero = torch.zeros(400, 5, 3 + MARKS)
    clean, new = task._hide(zero, zero[:, :, None])
    for hidden, mark in ((clean, 1), (new, 2)):
        share = (hidden[..., 3 + mark] == 1).float().mean()
        assert 0.02 < share < 0.09
        assert hidden.sum() == hidden[..., 3 + mark].sum()
    dropped = new[..., 0, 5]
    assert (dropped == dropped[:, :1]).all(), "a clip is dropped as a whole"


def test_cropped_clips_are_more_and_the_network_is_told_where_they_lie(
    make: Any, data: Footage
) -> None:
    task = make(NEVER, CropConfig(share=1.0, tokens=3, batch_factor=2))
    losses = task.losses(0, np.random.default_rng(0))
    assert torch.isfinite(losses["loss"])
    assert task.clip["clean"].shape[0] == 2 * BATCH
    assert task.clip["clean"].shape[-2:] == task.clip["slots"].shape[-2:] == (12, 12)
    assert task.graded[0]["target"].shape[-2:] == (12, 12)
    assert task.clip["corners"].shape == (2 * BATCH, 2)


def test_actors_are_where_their_branch_has_them(make: Any, data: Footage) -> None:
    task = make(NEVER)
    places = np.random.default_rng(0).integers(0, 3, data.places.shape)
    task.data = replace(data, places=places)
    task.losses(0, np.random.default_rng(0))
    for row, frames in enumerate(number(task.clip["clean"])):
        for p, last in enumerate(frames[-task.clip["places"].shape[1] :]):
            episode, tick = moment(data, last)
            expected = places[episode, tick + 1].tolist()
            assert task.clip["places"][row, p].tolist() == expected
        trail = [places[*moment(data, frame), 0].tolist() for frame in frames]
        assert task.clip["trail"][row].tolist() == trail


def test_the_world_plays_with_the_codec_of_its_footage(make: Any, data: Footage) -> None:
    task = make(NEVER)
    assert torch.equal(task.dit.state_dict()["painter.codec.basis"], data.codec.basis)


def test_samples_are_rows_of_truth_above_what_is_dreamt(make: Any, tiny: WorldConfig) -> None:
    task = make(NEVER)
    sheet = task.samples(task.dit)
    height, width, _ = tiny.frame_shape
    rows, columns = 2 * SHEET_WORLDS, SHEET_TICKS // 2
    assert (sheet.shape, sheet.dtype) == ((rows * height, columns * width, 3), np.uint8)
