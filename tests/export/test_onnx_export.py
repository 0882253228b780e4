"""Bundles: the graphs compute what torch computes, tick after tick, and can be read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from safetensors.torch import load_file

from export.binding import SCOPES
from export.loading import load_world
from export.onnx_export import (
    OPSET,
    SMALLEST_HALVED,
    WEIGHTS_FILE,
    halve_weights,
    read_network,
    round_weights,
)
from export.parity import TorchSession
from world_model.actions import encode_actions
from world_model.backend import GRAPHS
from world_model.bundle import CONFIG_FILE
from world_model.cast import NOWHERE, read_cast
from world_model.errors import WorldError
from world_model.network.codec import VALUES
from world_model.network.painter import Painter
from world_model.network.rolling import RollingStep, RollOut
from world_model.schedule import tick_noise

# What TensorRT's ONNX parser accepts, of which these graphs may use any.
TENSORRT_OPERATORS = {
    "Abs", "Add", "And", "ArgMax", "Cast", "Clip", "Concat", "ConstantOfShape", "Conv",
    "ConvTranspose", "Cos", "DepthToSpace", "Div", "Equal", "Exp", "Expand", "Gather", "GatherND",
    "Gelu", "Gemm", "Greater", "GreaterOrEqual", "LayerNormalization", "Less", "MatMul", "Max",
    "Mul", "Neg", "Pad", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Reshape",
    "ScatterElements", "Sigmoid", "Sin", "Slice", "Softmax", "SpaceToDepth", "Split", "Squeeze",
    "Sub", "Transpose", "Unsqueeze", "Where",
}  # fmt: skip


def start_frames(exported: Any) -> np.ndarray:
    rng = np.random.default_rng(5)
    shape = (exported.config.window.start_frames, *exported.config.frame_shape)
    return rng.integers(0, 256, shape, np.uint8)


@torch.no_grad()
def test_the_onnx_world_plays_200_ticks_as_the_torch_roll_out_does(exported: Any) -> None:
    """The same seed, and so the same counter-based noise; the torch side is spelled out here."""
    ticks, seed, config = 200, 9, exported.config
    frames = start_frames(exported)
    held = np.random.default_rng(1).random((ticks, 3)) < 0.4
    world = load_world(exported.directory)
    shown = world.reset(frames, seed=seed)
    np.testing.assert_array_equal(shown, frames[-1])

    shape = (config.window.slots, *config.seen_shape)

    def noise(draw: int) -> torch.Tensor:
        return torch.from_numpy(tick_noise(seed, draw, np.empty(shape, np.float32)).copy())[None]

    codec = exported.dit.painter.codec
    latents = codec.encode(torch.from_numpy(frames[1:]))[None]
    count = len(frames) - 2
    still = torch.from_numpy(encode_actions(np.zeros((1, count, 3), np.bool_)))
    plan = latents[:, -1:].expand(-1, config.window.slots - 1, -1, -1, -1)
    out = RollOut(RollingStep(exported.dit), 1, torch.device("cpu"))
    out.start(
        torch.from_numpy(read_cast(frames[0], config.cast))[None],
        latents[:, 0],
        latents[:, 1:],
        torch.tensor(NOWHERE).expand(1, count, config.cast.actors, -1),
        still,
        plan,
        noise(2 * count - 2),
    )

    spread = []
    for tick, action in enumerate(held):
        head = out.tick(
            torch.from_numpy(encode_actions(action[None])), noise(2 * count - 1 + tick)
        ).head
        got = world.denoise(action)
        np.testing.assert_allclose(got, head[0].numpy(), atol=2e-3, err_msg=f"tick {tick}")
        drawn = codec.decode(head)[0].numpy().astype(np.int16)
        assert np.abs(world.decode(got) - drawn).max() <= 1
        spread.append(got.copy())
    assert np.ptp(spread, 0).mean() > 0.1, "a world that stands still proves nothing"


@torch.no_grad()
def test_slots_raised_by_new_actions_are_raised_alike_in_numpy_and_torch(
    bundle: Path, exported: Any
) -> None:
    config = replace(exported.config, window=replace(exported.config.window, renoise=0.9))
    (bundle / CONFIG_FILE).write_text(json.dumps(config.to_dict()))
    _, dit = read_network(bundle)
    frames, codec = start_frames(exported), dit.painter.codec
    world, plain = load_world(bundle), load_world(exported.directory)
    for each in (world, plain):
        each.reset(frames, seed=9)
    twin = TorchSession(config, RollingStep(dit), 9)
    trail = torch.tensor(NOWHERE).expand(len(frames) - 2, config.cast.actors, -1)
    cast = torch.from_numpy(read_cast(frames[0], config.cast))
    twin.reset(cast, codec.encode(torch.from_numpy(frames[1:])), trail)
    held, apart = np.random.default_rng(1).random((40, 3)) < 0.2, 0.0
    for action in held:
        got = world.denoise(action)
        np.testing.assert_allclose(got, twin.denoise(action)[0].numpy(), atol=2e-3)
        apart = max(apart, float(np.abs(got - plain.denoise(action)).max()))
    assert apart > 0.1, "raising does something"


def test_actions_reach_the_frame_that_they_cause(exported: Any) -> None:
    frames = start_frames(exported)
    world = load_world(exported.directory)
    world.reset(frames, seed=0)
    idle = world.denoise(np.array([False, False, False])).copy()
    world.reset(frames, seed=0)
    assert np.abs(world.denoise(np.array([False, True, False])) - idle).max() > 1e-3


def test_a_session_can_be_played_again_exactly(exported: Any) -> None:
    frames = start_frames(exported)
    held = np.random.default_rng(2).random((20, 3)) < 0.4
    runs = []
    for world in (load_world(exported.directory), load_world(exported.directory)):
        for _ in range(2):
            world.reset(frames, seed=4)
            runs.append([world.step(action).tobytes() for action in held])
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("graph", GRAPHS)
def test_graphs_are_valid_and_of_operators_that_tensorrt_parses(exported: Any, graph: str) -> None:
    model = onnx.load(exported.directory / f"{graph}.onnx")
    onnx.checker.check_model(model, full_check=True)
    (opset,) = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    assert opset == OPSET
    assert {node.op_type for node in model.graph.node} <= TENSORRT_OPERATORS
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx"}
    for tensor in (*model.graph.input, *model.graph.output):
        sizes = [size.dim_value for size in tensor.type.tensor_type.shape.dim]
        assert all(sizes), f"{tensor.name} has a shape that is not fixed"


def test_larger_weights_are_stored_as_half_precision_where_that_loses_nothing(
    exported: Any,
) -> None:
    model = onnx.load(exported.directory / "step.onnx")
    arrays = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    large = [array for array in arrays if array.size >= SMALLEST_HALVED]
    assert any(array.dtype == np.float16 for array in large)
    for array in large:
        if array.dtype == np.float32:
            assert not np.array_equal(array.astype(np.float16).astype(np.float32), array)


def test_what_a_world_copies_for_hours_goes_through_a_basis_that_is_not_rounded() -> None:
    patches = torch.randn(500, VALUES)
    painter = Painter()
    painter.codec.fit(patches.T @ patches)
    basis = round_weights(painter).codec.basis
    assert (basis @ basis.T - torch.eye(VALUES)).abs().max() < 1e-6


def test_rounding_moves_weights_no_further_than_half_precision_does() -> None:
    layer = torch.nn.Linear(64, 32)
    weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
    rounded = round_weights(layer)
    assert torch.equal(rounded.weight, weight.half().float())
    assert torch.equal(rounded.bias, bias), "small ones stay"


@pytest.mark.parametrize("graph", GRAPHS)
def test_graphs_name_their_modules_and_no_file_of_the_machine_that_exported_them(
    exported: Any, graph: str
) -> None:
    path = exported.directory / f"{graph}.onnx"
    model = onnx.load(path)
    noted = [entry for node in model.graph.node for entry in node.metadata_props]
    assert {entry.key for entry in noted} == {SCOPES}
    assert b".py" not in path.read_bytes()


def test_halving_a_graph_twice_changes_nothing_more(exported: Any) -> None:
    model = onnx.load(exported.directory / "decode.onnx")
    before = model.SerializeToString()
    assert halve_weights(model).SerializeToString() == before


def test_a_bundle_is_read_back_into_the_same_network(exported: Any) -> None:
    config, dit = read_network(exported.directory)
    assert config == exported.config
    for name, tensor in exported.dit.state_dict().items():
        assert torch.equal(dit.state_dict()[name], tensor), name


def test_a_bundle_is_config_weights_and_four_graphs(exported: Any) -> None:
    names = {path.name for path in exported.directory.iterdir()}
    assert names == {"config.json", WEIGHTS_FILE, *(f"{graph}.onnx" for graph in GRAPHS)}
    assert json.loads((exported.directory / "config.json").read_text())["name"] == "tiny"
    assert set(load_file(exported.directory / WEIGHTS_FILE)) == set(exported.dit.state_dict())


@pytest.mark.parametrize("damage", ["missing", "cut", "other sizes"])
def test_weights_that_cannot_be_read_are_named(bundle: Path, damage: str) -> None:
    path = bundle / WEIGHTS_FILE
    if damage == "missing":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-10])
    else:
        config = json.loads((bundle / "config.json").read_text())
        config["dit"]["depth"] += 1
        (bundle / "config.json").write_text(json.dumps(config))
    with pytest.raises(WorldError, match=rf"{WEIGHTS_FILE}: cannot be read"):
        read_network(bundle)
