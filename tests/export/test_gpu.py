"""Whether there is a GPU, asked of the system alone."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from export import gpu


@pytest.mark.parametrize("there", [True, False])
def test_a_driver_is_there_if_its_library_loads(
    monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    def load(name: str) -> object:
        assert "cuda" in name
        if not there:
            raise OSError("no such file")
        return object()

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert gpu.has_driver() == there


def test_driver_and_cards_are_told_as_linux_knows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "_TOLD", tmp_path)
    assert gpu.described() == ""
    (tmp_path / "gpus" / "0").mkdir(parents=True)
    (tmp_path / "version").write_text("driver 1")
    (tmp_path / "gpus" / "0" / "information").write_text("card 2")
    assert gpu.described() == "driver 1\ncard 2"
