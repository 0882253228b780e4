"""`rollplay export verify`: every backend against float32 torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from engine.commands.errors import told_to_the_user
from engine.commands.options import BACKENDS, backends_option, json_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from export.verify import Verdict


@click.command()
@click.argument("world", default="platformer")
@backends_option(",".join(BACKENDS))
@click.option(
    "--ticks",
    type=click.IntRange(1),
    default=200,
    show_default=True,
    help="Length of the roll-out beside torch.",
)
@click.option(
    "--levels",
    type=click.IntRange(0),
    default=4,
    show_default=True,
    help="Unseen levels on which each plays 200 ticks; 0 leaves quality out.",
)
@json_option
def verify(*, world: str, backends: Sequence[str], ticks: int, levels: int, as_json: bool) -> None:
    """Play WORLD, a bundle's name or its directory, on every backend as on float32 torch.

    Exits 1 if one differs by more than its number format explains, or plays worse. One that cannot
    be had here says why, and is no failure.
    """
    with told_to_the_user():
        from tqdm import tqdm

        from export.verify import verify as verified
        from games.scene import bundle_directory

        total = 1 + len(backends)
        with tqdm(total=total, desc="verify", unit="backend", dynamic_ncols=True) as bar:
            verdicts = verified(
                bundle_directory(world), backends, ticks=ticks, levels=levels,
                done=lambda _: bar.update(),
            )  # fmt: skip
    if as_json:
        click.echo(json.dumps({verdict.backend: verdict.document() for verdict in verdicts}))
    else:
        click.echo("\n".join(_line(verdict) for verdict in verdicts))
    failed = [verdict.backend for verdict in verdicts if verdict.failures]
    if failed:
        raise click.ClickException(f"not to be played on: {', '.join(failed)}")


def _line(verdict: Verdict) -> str:
    name = f"{verdict.backend:<16}"
    if verdict.parity is None:
        return f"{name} {verdict.error}"
    parity, quality = verdict.parity, verdict.quality
    apart = "never" if parity.first_apart is None else f"at tick {parity.first_apart}"
    said = [
        f"latents {parity.max_latent_error:.2g}, pixels {parity.max_pixel_error} / 255",
        f"PSNR {parity.psnr_db:.1f} dB",
        f"apart by more than 1 / 255 {apart}",
    ]
    if quality:
        said.append(
            f"player off by {quality['position_error_px']['64']:.1f} px after 64 ticks, "
            f"one in {quality['presence']:.1%} of frames"
        )
    said += verdict.failures or ["good"]
    return f"{name} {'; '.join(said)}"
