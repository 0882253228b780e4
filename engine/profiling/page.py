"""A run as one self-contained HTML page: the numbers, the picture, the machine. No scripts."""

from collections.abc import Iterable
from html import escape
from pathlib import Path

from engine.profiling.plot import plot_svg
from engine.profiling.report import Report

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #2b2f3a; background: #fbfbfd; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
pre { background: #f0f1f6; padding: 1rem; overflow-x: auto; }
table { border-collapse: collapse; } td { padding: .15rem 1rem .15rem 0; vertical-align: top; }
svg { width: 100%; height: auto; }
"""


def write_page(report: Report, path: Path) -> None:
    """Write the page; it needs no other file and no network."""
    title = f"{report.scene} on {report.world}"
    summary = [("", report.summary()), ("", report.advice())]
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>',
        f"<style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        *(f"<p>{escape(text)}</p>" for _, text in summary if text),
        plot_svg(report),
        "<h2>Numbers</h2>",
        f"<pre>{escape(report.table())}</pre>",
        "<h2>Environment</h2>",
        _table(
            (name, "-" if value is None else str(value))
            for name, value in report.environment.items()
        ),
        "</body></html>",
    ]
    path.write_text("\n".join(parts) + "\n", encoding="utf-8")


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = (f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{''.join(cells)}</table>"
