"""A command that has subcommands and does something without one."""

from __future__ import annotations

from typing import Any

import click


class DefaultGroup(click.Group):
    """Puts the subcommand `default` in front of words that name none."""

    def __init__(self, *args: Any, default: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the first word for a subcommand, if it is one, or for help."""
        if not args or args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [self.default, *args]
        return super().parse_args(ctx, args)
