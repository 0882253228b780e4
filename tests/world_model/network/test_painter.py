"""The painter: pixels that are told to come from the scenery, the sink, or to stay, do just that,
and actors are laid over them.

Latents are pixels turned in space, so that every copy must be exact.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from world_model.cast import GOES_ON, NOWHERE
from world_model.config import SOURCES
from world_model.network.codec import CELL, LATENT_SCALE, VALUES
from world_model.network.laying import PIXELS, Laid, lay
from world_model.network.painter import SOURCE_BIAS, Painter

HEIGHT, WIDTH = 5, 3
SURE = 60.0
SCENERY, SINK = range(SOURCES)


@pytest.fixture
def painter() -> Painter:
    """One whose codec has a random basis."""
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(500, VALUES, generator=generator)
    painter = Painter()
    painter.codec.fit(patches.T @ patches)
    return painter


def latents_of(painter: Painter, image: Tensor) -> Tensor:
    return painter.codec.to_latents(F.pixel_unshuffle(image, CELL))


def nobody(slots: int = 1) -> Laid:
    """A cast of whom none is to be seen."""
    places = torch.tensor(NOWHERE).expand(1, slots, 3, -1)
    return laid(torch.ones(1, 2, 4, HEIGHT, WIDTH), places)


def laid(cast: Tensor, places: Tensor) -> Laid:
    """Lay a cast over 4x4 cells."""
    return lay(cast, places, torch.Size((4, 4)))


def paint(painter: Painter, said: Tensor, previous: Tensor, given: Tensor, over: Laid,
          left: Tensor | None = None) -> Tensor:  # fmt: skip
    """Paint over a frame in which nobody was, if `left` does not say otherwise."""
    left = torch.zeros_like(over.opacity) if left is None else left
    painted: Tensor = painter(said, previous, painter.pixels(previous), given, over, left)
    return painted


def sources(painter: Painter, sink: Tensor, scenery: Tensor) -> Tensor:
    """What there is to take, nobody being in the first frame."""
    return painter.sources(scenery, sink, nobody())


def told(painter: Painter, size: int, *, slots: int = 1) -> Tensor:
    """Say that everything stays."""
    return torch.full((1, slots, painter.channels, size, size), -SURE)


def source(said: Tensor, index: int) -> Tensor:
    """The logits (B, T, 16, h, w) of a source's pixels, as a view."""
    return said.unflatten(2, (SOURCES, PIXELS))[:, :, index]


def drawn(image: Tensor, sprite: Tensor, top: int, left: int) -> None:
    """Lay a drawing (4, H, W) over an image (1, 3, H, W), pixel by pixel."""
    for row, column in np.ndindex(*sprite.shape[1:]):
        y, x = top + row, left + column
        inside = 0 <= y < image.shape[2] and 0 <= x < image.shape[3]
        if inside and sprite[3, row, column]:
            image[0, :, y, x] = sprite[:3, row, column] * LATENT_SCALE


def some_cast(count: int = 3) -> Tensor:
    """Drawings with holes in them."""
    cast = torch.rand(1, count, 4, HEIGHT, WIDTH)
    cast[:, :, 3] = (cast[:, :, 3] > 0.4).float()
    cast[:, :, :3] *= cast[:, :, 3:]
    return cast


def test_single_pixels_of_a_cell_come_from_different_sources(painter: Painter) -> None:
    before, sink, scenery = torch.rand(3, 1, 3, 16, 16)
    said = told(painter, 4)
    source(said, SCENERY)[:, :, 4, 2, 1] = SURE  # pixel (1, 0) of the cell (2, 1)
    source(said, SINK)[:, :, 5, 2, 1] = SURE
    previous, *given = (latents_of(painter, image) for image in (before, sink, scenery))
    painted = paint(painter, said, previous, sources(painter, *given), nobody())
    expected = before.clone()
    expected[..., 9, 4] = scenery[..., 9, 4]
    expected[..., 9, 5] = sink[..., 9, 5]
    wanted = latents_of(painter, expected)
    torch.testing.assert_close(painted[:, 0], wanted, atol=1e-5, rtol=1e-4)


def test_every_slot_is_painted_from_the_one_before(painter: Painter) -> None:
    previous, sink, scenery = (latents_of(painter, image) for image in torch.rand(3, 1, 3, 16, 16))
    said = told(painter, 4, slots=3)
    source(said, SCENERY)[:, 1, :, :2] = SURE
    source(said, SINK)[:, 2, :, 3:] = SURE
    painted = paint(painter, said, previous, sources(painter, sink, scenery), nobody(3))[0]
    assert torch.equal(painted[0], previous[0])
    torch.testing.assert_close(painted[1, :, :2], scenery[0, :, :2])
    assert torch.equal(painted[1, :, 2:], previous[0, :, 2:])
    torch.testing.assert_close(painted[2, :, 3:], sink[0, :, 3:])
    assert torch.equal(painted[2, :, :3], painted[1, :, :3])


def test_where_actors_stand_in_the_first_frame_the_scenery_is_offered(painter: Painter) -> None:
    sink, scenery = torch.rand(2, 1, 3, 16, 16)
    first = laid(torch.ones(1, 1, 4, HEIGHT, WIDTH), torch.tensor([[[[6, 5, 0, GOES_ON]]]]))
    offered = painter.sources(latents_of(painter, scenery), latents_of(painter, sink), first)
    expected = sink.clone()
    expected[..., 6 : 6 + HEIGHT, 5 : 5 + WIDTH] = scenery[..., 6 : 6 + HEIGHT, 5 : 5 + WIDTH]
    for pixels, image in zip(offered.unbind(1), (scenery, expected), strict=True):
        shown = F.pixel_shuffle(pixels.flatten(1, 2), CELL)
        torch.testing.assert_close(shown, image, atol=1e-5, rtol=1e-4)


def test_what_stays_is_kept_to_the_bit_for_ever(painter: Painter) -> None:
    previous, sink, scenery = torch.randn(3, 1, VALUES, 4, 4)
    painted = paint(
        painter, told(painter, 4, slots=5), previous, sources(painter, sink, scenery), nobody(5)
    )
    assert torch.equal(painted, previous[:, None].expand_as(painted))


def test_around_what_changes_all_is_kept_to_the_bit(painter: Painter) -> None:
    previous, sink, scenery = torch.randn(3, 1, VALUES, 4, 4)
    said = told(painter, 4)
    source(said, SCENERY)[:, :, 5, 1, 2] = SURE
    source(said, SINK)[:, :, :, 3, 0] = SURE
    cast, places = some_cast(), torch.tensor([[[[0, 0, 1, GOES_ON]]]])
    cast[:, 1, 3] = 1
    painted = paint(painter, said, previous, sources(painter, sink, scenery), laid(cast, places))[
        :, 0
    ]
    apart = (painted != previous).any(1)[0]
    changed = {(0, 0), (1, 0), (1, 2), (3, 0)}
    assert {tuple(cell) for cell in apart.nonzero().tolist()} == changed


@pytest.mark.parametrize(("top", "left"), [(0, 0), (6, 5), (-2, 3), (13, -1), (9, 15), (30, 4)])
def test_a_drawing_is_laid_where_its_actor_is_and_cut_at_the_edges(
    painter: Painter, top: int, left: int
) -> None:
    image, cast = torch.rand(1, 3, 16, 16), some_cast()
    previous = latents_of(painter, image)
    places = torch.tensor([[[[top, left, 1, GOES_ON]]]])
    painted = paint(
        painter,
        told(painter, 4),
        previous,
        sources(painter, previous, previous),
        laid(cast, places),
    )[:, 0]
    drawn(image, cast[0, 1], top, left)
    torch.testing.assert_close(painted, latents_of(painter, image), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("others", [[1, 2], [2, 1]])
def test_the_first_actor_covers_the_others_and_of_these_the_right_one_the_left(
    painter: Painter, others: list[int]
) -> None:
    image, cast = torch.rand(1, 3, 16, 16), some_cast()
    previous = latents_of(painter, image)
    places = [[4, 4, 0, GOES_ON], [5, 4, 1, GOES_ON], [3, 5, 2, GOES_ON]]
    said = told(painter, 4)
    over = laid(cast, torch.tensor([[[places[actor] for actor in (0, *others)]]]))
    painted = paint(painter, said, previous, sources(painter, previous, previous), over)[:, 0]
    for top, left, drawing, _ in (places[1], places[2], places[0]):
        drawn(image, cast[0, drawing], top, left)
    torch.testing.assert_close(painted, latents_of(painter, image), atol=1e-5, rtol=1e-4)


def test_where_an_actor_has_left_nothing_is_kept(painter: Painter) -> None:
    previous, sink, scenery = (latents_of(painter, image) for image in torch.rand(3, 1, 3, 16, 16))
    said = torch.full((1, 2, painter.channels, 4, 4), -SURE)
    source(said, SCENERY)[:] = -SURE / 2  # all to be kept, but if not, the scenery is the better
    left = torch.zeros(1, 2, PIXELS, 4, 4)
    left[:, 1, :, :, :2] = 1
    given = sources(painter, sink, scenery)
    first, second = paint(painter, said, previous, given, nobody(2), left)[0]
    torch.testing.assert_close(first, previous[0])
    torch.testing.assert_close(second[..., 2:], previous[0, ..., 2:])
    torch.testing.assert_close(second[..., :2], scenery[0, ..., :2], atol=1e-3, rtol=1e-3)


def test_sources_are_not_laid_over_actors(painter: Painter) -> None:
    images = torch.rand(3, 1, 3, 16, 16)
    cast = torch.rand(1, 1, 4, HEIGHT, WIDTH)
    cast[:, :, 3] = 1
    said = told(painter, 4)
    source(said, SINK)[:] = SURE
    previous, *given = (latents_of(painter, image) for image in images)
    over = laid(cast, torch.tensor([[[[6, 5, 0, GOES_ON]]]]))
    painted = paint(painter, said, previous, sources(painter, *given), over)[:, 0]
    expected = images[1].clone()
    drawn(expected, cast[0, 0], 6, 5)
    torch.testing.assert_close(painted, latents_of(painter, expected), atol=1e-5, rtol=1e-4)


def test_every_slot_has_its_actors_at_their_own_places(painter: Painter) -> None:
    scenery = latents_of(painter, torch.rand(1, 3, 16, 16))
    cast = torch.ones(1, 1, 4, HEIGHT, WIDTH)
    said = told(painter, 4, slots=2)
    source(said, SCENERY)[:] = SURE  # so that an actor leaves nothing behind
    places = torch.tensor([[[[0, 0, 0, 0], [8, 12, 0, 0]], [[8, 8, 0, 0], [*NOWHERE]]]])
    painted = paint(painter, said, scenery, sources(painter, scenery, scenery), laid(cast, places))
    differs = (painted - scenery[:, None]).abs().amax(2) > 1e-3
    assert differs[0, 0].nonzero().tolist() == [[0, 0], [1, 0], [2, 3], [3, 3]]
    assert differs[0, 1].nonzero().tolist() == [[2, 2], [3, 2]]


def test_at_play_a_choice_that_is_all_but_sure_leaves_nothing_of_the_others(
    painter: Painter,
) -> None:
    previous, sink, scenery = (latents_of(painter, image) for image in torch.rand(3, 1, 3, 16, 16))
    said = told(painter, 4)
    source(said, SCENERY)[:] = np.log(99)
    given = said, previous, sources(painter, sink, scenery), nobody()
    taught, played = paint(painter.train(), *given)[:, 0], paint(painter.eval(), *given)[:, 0]
    torch.testing.assert_close(taught, 0.99 * scenery + 0.01 * previous, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(played, scenery, atol=1e-5, rtol=1e-4)


def test_what_is_borrowed_is_measured_in_training(painter: Painter) -> None:
    still = torch.zeros(1, VALUES, 4, 4)
    said = told(painter, 4)
    source(said, SINK)[:, :, :4] = SURE
    source(said, SCENERY)[:, :, 4:8] = 0.0  # as likely as that it stays
    paint(painter.train(), said, still, sources(painter, still, still), nobody())
    assert painter.borrowed.item() == pytest.approx(0.25 + 0.25 / 2)


def test_the_right_sources_of_a_pixel_are_as_unlikely_as_the_share_that_they_got(
    painter: Painter,
) -> None:
    base = torch.rand(1, 3, 16, 16)
    before, scenery = base.clone(), base.clone()
    before[..., :8, :] += 1  # a coin in the upper half: the sink shows it, too
    frames = latents_of(painter, before), latents_of(painter, before), latents_of(painter, scenery)
    said = torch.zeros(1, 2, painter.channels, 4, 4)
    cast, places = torch.ones(1, 1, 4, HEIGHT, WIDTH), torch.zeros(1, 2, 1, len(NOWHERE)).long()
    paint(painter.train(), said, frames[0], sources(painter, *frames[1:]), laid(cast, places))
    kept_then_taken = torch.stack([frames[0], frames[2]], 1)
    surprise = F.pixel_shuffle(
        painter.surprise(kept_then_taken, frames[0], torch.zeros(1, 2, dtype=torch.bool))[0], CELL
    )[:, 0]
    expected = torch.zeros(2, 16, 16)
    expected[0, :8] = -np.log(2 / 3)  # as it was, or as in the sink
    expected[1, :8] = -np.log(1 / 3)  # as in the scenery, before and sink have the coin
    expected[:, :HEIGHT, :WIDTH] = 0  # an actor covers it
    torch.testing.assert_close(surprise, expected)


def test_where_everything_starts_anew_all_that_the_sink_shows_is_to_come_from_it(
    painter: Painter,
) -> None:
    sink, target = latents_of(painter, torch.rand(1, 3, 16, 16)), torch.zeros(1, 3, 16, 16)
    target = latents_of(painter, target)
    target[..., :2] = sink[..., :2]  # the left half shows what sink and scenery show
    said = torch.zeros(1, 2, painter.channels, 4, 4)
    paint(painter.train(), said, target, sources(painter, sink, sink), nobody(2))
    twice = target[:, None].expand(-1, 2, -1, -1, -1)
    surprise = painter.surprise(twice, target, torch.tensor([[False, True]]))[0]
    expected = torch.zeros(2, PIXELS, 4, 4)
    expected[0, :, :, 2:] = -np.log(1 / 3)  # as it was
    expected[1] = -np.log(1 / 3)  # as in the sink, or where that shows another, as it was
    torch.testing.assert_close(surprise, expected)


def test_what_no_source_shows_surprises_nobody(painter: Painter) -> None:
    previous, sink, scenery, target = torch.randn(4, 1, VALUES, 4, 4)
    paint(painter.train(), told(painter, 4), previous, sources(painter, sink, scenery), nobody())
    never = torch.zeros(1, 1, dtype=torch.bool)
    assert not painter.surprise(target[:, None], previous, never).any()


def test_a_wrong_source_that_has_all_of_a_pixel_can_still_be_unlearned(painter: Painter) -> None:
    previous, sink, scenery = torch.randn(3, 1, VALUES, 4, 4)
    said = told(painter, 4)
    source(said, SCENERY)[:] = SURE
    said.requires_grad_()
    painted = paint(painter.train(), said, previous, sources(painter, sink, scenery), nobody())
    (by_error,) = torch.autograd.grad((painted[:, 0] - previous).square().mean(), said)
    assert by_error.abs().max() < 1e-12
    painted = paint(painter, said, previous, sources(painter, sink, scenery), nobody())
    surprise = painter.surprise(previous[:, None], previous, torch.zeros(1, 1, dtype=torch.bool))
    (by_choice,) = torch.autograd.grad(surprise.sum(), said)
    torch.testing.assert_close(source(by_choice, SCENERY), torch.ones(1, 1, PIXELS, 4, 4))


def test_a_network_that_knows_nothing_yet_keeps_nearly_all(painter: Painter) -> None:
    previous, sink, scenery = (latents_of(painter, image) for image in torch.rand(3, 1, 3, 16, 16))
    said = torch.full((1, 1, painter.channels, 4, 4), SOURCE_BIAS)
    painted = paint(painter, said, previous, sources(painter, sink, scenery), nobody())[:, 0]
    share = np.exp(SOURCE_BIAS) / (1 + SOURCES * np.exp(SOURCE_BIAS))
    expected = previous + share * (sink - previous) + share * (scenery - previous)
    torch.testing.assert_close(painted, expected, atol=1e-5, rtol=1e-4)


def test_the_codec_is_part_of_the_weights(painter: Painter) -> None:
    other = Painter()
    other.load_state_dict(painter.state_dict())
    assert torch.equal(other.codec.basis, painter.codec.basis)
