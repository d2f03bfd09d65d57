"""`fairlead completion`: the script by which a shell asks this program for words to complete."""

from __future__ import annotations

import argparse

_USE = """\
to use it in this shell:
  bash   source <(fairlead completion bash)
  zsh    source <(fairlead completion zsh)
  fish   fairlead completion fish | source
Write the line into ~/.bashrc, ~/.zshrc or ~/.config/fish/config.fish to use it in every shell."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=["bash", "zsh", "fish"], metavar="SHELL", help="the shell: bash, zsh or fish")
    parser.epilog = _USE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter


def run(args: argparse.Namespace) -> int:
    from argcomplete.shell_integration import shellcode

    print(shellcode(["fairlead"], shell=args.shell))
    return 0
