"""Rotary positions: only differences count, in time, row and column."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from world_model.network.rope import AxialRope, rotate

HEIGHT, WIDTH, HEAD_DIM = 3, 4, 16
TIMES = st.integers(-40, 40)


def scores(query_time: int, key_time: int) -> torch.Tensor:
    """Scores (heads, query tokens, key tokens) of one random vector against another."""
    generator = torch.Generator().manual_seed(0)
    q, k = torch.randn(2, 2, HEAD_DIM, generator=generator)
    rope = AxialRope(HEAD_DIM, HEIGHT, WIDTH)
    tokens = (1, HEIGHT * WIDTH, 2, HEAD_DIM)
    turned = [
        rotate(x.expand(tokens), rope(torch.tensor([float(time)])))[0]
        for x, time in ((q, query_time), (k, key_time))
    ]
    return torch.einsum("nhd,mhd->hnm", *turned)


@given(TIMES, TIMES, TIMES)
@settings(max_examples=25)
def test_frames_equally_far_apart_score_the_same(query: int, key: int, shift: int) -> None:
    torch.testing.assert_close(
        scores(query, key), scores(query + shift, key + shift), atol=1e-4, rtol=1e-4
    )


def test_tokens_equally_far_apart_score_the_same() -> None:
    grid = scores(0, 0).unflatten(2, (HEIGHT, WIDTH)).unflatten(1, (HEIGHT, WIDTH))
    torch.testing.assert_close(grid[:, :-1, :-1, :-1, :-1], grid[:, 1:, 1:, 1:, 1:])


def test_time_row_and_column_all_count() -> None:
    base = scores(0, 0)
    assert not torch.allclose(base, scores(1, 0))
    assert not torch.allclose(scores(1, 0), scores(-1, 0)), "before is not after"
    grid = base[:, 0].unflatten(1, (HEIGHT, WIDTH))
    assert not torch.allclose(grid[:, 0, 1], grid[:, 0, 0])
    assert not torch.allclose(grid[:, 1, 0], grid[:, 0, 0])
    assert not torch.allclose(grid[:, 1, 0], grid[:, 0, 1])


def test_turning_keeps_lengths_and_the_number_format() -> None:
    x = torch.randn(2, 3, HEIGHT * WIDTH, 2, HEAD_DIM)
    table = AxialRope(HEAD_DIM, HEIGHT, WIDTH)(torch.tensor([-2.0, 0.0, 5.0]))
    torch.testing.assert_close(rotate(x, table).norm(dim=-1), x.norm(dim=-1))
    assert rotate(x.bfloat16(), table).dtype == torch.bfloat16
    torch.testing.assert_close(rotate(x, table)[:, 1, 0], x[:, 1, 0])
