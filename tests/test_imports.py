"""Imports point one way, and what plays never loads what trains."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from games.scene import WORLDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("engine", "export", "games", "world_model")
# Which packages each may use. Worlds are trained on games; their runtime is not (see below).
MAY_USE = {
    "games": {"games"},
    "world_model": {"world_model", "games"},
    "export": {"export", "world_model"},
    "engine": {"engine", "games", "world_model"},
}
# The rooms of `world_model`, and which of each other they may use; all use its root, it uses none.
ROOMS = {"network": {"network"}, "evaluation": {"evaluation"}}
ROOMS["training"] = {"training", *ROOMS}
# The composition root may use everything.
COMPOSITION_ROOT = ("engine.cli", "engine.commands")
# Installed by extras only: nobody who plays has them.
EXTRAS = {"torch", "onnx", "onnxscript", "safetensors", "tqdm", "matplotlib", "PIL", "gymnasium"}
# What a command must not load before it is chosen.
SLOW_TO_LOAD = {"onnxruntime", "pygame", "pynput"}


@dataclass(frozen=True)
class Import:
    """One module named by an import statement; `on_load` when importing the file imports it."""

    name: str
    line: int
    on_load: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


FILES = {module_name(p): p for package in PACKAGES for p in sorted((ROOT / package).rglob("*.py"))}


def imports_of(module: str) -> list[Import]:
    return list(_walk(ast.parse(FILES[module].read_text(encoding="utf-8")), on_load=True))


def _walk(node: ast.AST, *, on_load: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, on_load) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute"
            base = child.module or ""
            submodules = [f"{base}.{alias.name}" for alias in child.names]
            for name in {base, *(name for name in submodules if name in FILES)}:
                yield Import(name, child.lineno, on_load)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from _walk(child, on_load=False)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, on_load=on_load and not is_function)


def loaded_with(module: str) -> set[str]:
    """All modules that importing `module` imports, as far as our own files tell."""
    loaded: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in loaded:
            continue
        loaded.add(name)
        waiting += [parent for parent in (name.rpartition(".")[0],) if parent]
        if name in FILES:
            waiting += [found.name for found in imports_of(name) if found.on_load]
    return loaded


def top(name: str) -> str:
    return name.partition(".")[0]


def in_composition_root(module: str) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in COMPOSITION_ROOT)


def test_the_walk_sees_what_training_loads() -> None:
    assert "torch" in loaded_with("world_model.network.codec")


@pytest.mark.parametrize("module", [name for name in FILES if not in_composition_root(name)])
def test_imports_point_one_way(module: str) -> None:
    wrong = [
        f"{FILES[module]}:{found.line}: {module} imports {found.name}"
        for found in imports_of(module)
        if top(found.name) in PACKAGES and top(found.name) not in MAY_USE[top(module)]
    ]
    assert not wrong, "\n".join(wrong)


def room_of(module: str) -> str:
    """The room of `world_model` that a module is in; nothing for its root."""
    name = module.removeprefix("world_model.").partition(".")[0]
    return name if name in ROOMS else ""


@pytest.mark.parametrize("module", [name for name in FILES if top(name) == "world_model"])
def test_the_rooms_of_world_model_are_used_one_way(module: str) -> None:
    allowed = {"", *ROOMS.get(room_of(module), ())}
    wrong = [
        f"{FILES[module]}:{found.line}: {module} imports {found.name}"
        for found in imports_of(module)
        if top(found.name) == "world_model" and found.on_load and room_of(found.name) not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", [name for name in FILES if top(name) == "engine"])
def test_the_engine_loads_nothing_that_an_extra_installs(module: str) -> None:
    assert not {top(name) for name in loaded_with(module)} & EXTRAS


def test_only_the_composition_root_names_the_engines_parts() -> None:
    users = {m for m in FILES for found in imports_of(m) if in_composition_root(found.name)}
    assert all(in_composition_root(user) for user in users)


def test_the_command_line_loads_only_what_every_command_needs() -> None:
    assert not {top(name) for name in loaded_with("engine.cli")} & (EXTRAS | SLOW_TO_LOAD)


@pytest.mark.skipif("world_model.world" not in FILES, reason="there is no runtime")
def test_the_runtime_of_a_world_knows_no_game_and_no_torch() -> None:
    assert not {top(name) for name in loaded_with("world_model.world")} & (EXTRAS | {"games"})


def test_a_scene_loads_neither_torch_nor_a_window() -> None:
    loaded = {top(name) for name in loaded_with("games.scene")}
    assert not loaded & (EXTRAS | SLOW_TO_LOAD)


WITHOUT_EXTRAS = f"""
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {sorted(EXTRAS)!r}:
            raise RuntimeError(f"{{name}} was imported")

sys.meta_path.insert(0, Refuse())
"""


def run_without_extras(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter that refuses to import what the extras install."""
    command = [sys.executable, "-W", "error", "-c", WITHOUT_EXTRAS + code, *args]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_a_scene_and_its_first_frames_need_no_extra(tmp_path: Path) -> None:
    worlds = tmp_path / "worlds"
    for path in (ROOT / "games").glob("*.yaml"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("world: "):
                (worlds / line.removeprefix("world: ")).mkdir(parents=True, exist_ok=True)
    code = """
from pathlib import Path
from games.scene import find_scenes, load_scene, start_frames
for path in find_scenes():
    print(start_frames(load_scene(path, worlds=Path(sys.argv[1])), 2).shape)
"""
    done = run_without_extras(code, str(worlds))
    assert (done.returncode, done.stderr) == (0, "")
    assert set(done.stdout.splitlines()) == {"(2, 128, 128, 3)"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["scenes"],
        ["check", "meadow", "reef"],
        ["play", "meadow", "--headless", "--ticks", "3"],
    ],
    ids=" ".join,
)
def test_the_commands_of_players_need_no_extra(arguments: list[str]) -> None:
    done = run_without_extras("from engine.cli import main\nmain()", *arguments)
    assert "was imported" not in done.stderr
    assert "Traceback" not in done.stderr
    if WORLDS.is_dir() or arguments == ["--help"]:
        assert done.returncode == 0, done.stderr
