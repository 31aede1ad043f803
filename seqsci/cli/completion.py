"""seqsci completion: a script that completes commands, options and shipped configurations in a shell; made from the parsers themselves."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from seqsci import __version__
from seqsci.errors import ConfigError, did_you_mean, explain

HELP = "print a completion script for bash, zsh or fish"
FILES, FOLDERS = ("FILE", "PATH"), ("DIR", "RUN")
"""Metavars whose values are paths; NAME stands for a configuration, a|b|c for one of these words."""


@dataclass(frozen=True)
class Word:
    """An option (``flag``) or a positional (no flag) of a command; ``metavar`` says what its value is, "" that it takes none."""

    flag: str
    metavar: str
    help: str

    def choices(self, names: list[str]) -> list[str]:
        """Values to offer."""
        return names if self.metavar == "NAME" else self.metavar.split("|") if "|" in self.metavar else []


@dataclass(frozen=True)
class Command:
    """A command with its words."""

    name: str
    help: str
    options: tuple[Word, ...]
    positional: Word | None


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("shell", metavar="bash|zsh|fish", help="e.g. source <(seqsci completion bash)")


def run(arguments: argparse.Namespace) -> None:
    """Print the script."""
    from seqsci.registry import names

    writers = {"bash": bash, "zsh": zsh, "fish": fish}
    shell = arguments.shell
    if shell not in writers:
        what = f"no completion for {shell!r}{did_you_mean(shell, writers)}"
        raise ConfigError(explain(what, shell, ", ".join(writers), "seqsci completion bash"))
    print(writers[shell](commands(), list(names())))


def commands() -> list[Command]:
    """Every command, read from the parsers."""
    from seqsci.cli import parser

    top = parser()
    groups = [a for a in top._actions if isinstance(a, argparse._SubParsersAction)]
    found = []
    for group in groups:
        helps = {c.dest: c.help or "" for c in group._choices_actions}
        for name, sub in group.choices.items():
            shown = [a for a in sub._actions if a.help != argparse.SUPPRESS]
            options = tuple(Word(a.option_strings[-1], _metavar(a), a.help or "") for a in shown if a.option_strings)
            positional = next((Word("", _metavar(a), a.help or "") for a in shown if not a.option_strings), None)
            found.append(Command(name, helps.get(name, ""), options, positional))
    return found


def _metavar(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    return str(action.metavar or action.dest.upper())


def bash(known: list[Command], names: list[str]) -> str:
    """The script for bash (3.2 and later)."""
    values, words = [], []
    for c in known:
        for o in (o for o in c.options if o.metavar):
            offered = _set(" ".join(o.choices(names))) if o.choices(names) else ""
            values.append(f"        {c.name}:{o.flag}) {offered}return ;;")
        offered = " ".join(c.positional.choices(names)) if c.positional else ""
        words.append(
            f'        {c.name}) options="{" ".join(o.flag for o in c.options)}" positional="{offered}" takes={int(bool(c.positional))} ;;'
        )
    lines = [
        f"# bash completion of seqsci {__version__}; load it with: source <(seqsci completion bash)",
        "_seqsci() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" command="${COMP_WORDS[1]}"',
        '    local options="" positional="" takes=0',
        "    COMPREPLY=()",
        '    if [ "$COMP_CWORD" -eq 1 ]; then',
        f"        {_set(' '.join([*(c.name for c in known), '--help', '--version']))}return",
        "    fi",
        '    if [ "$word" = "=" ]; then word=""; elif [ "$before" = "=" ]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        '    case "$command:$before" in',
        *values,
        "    esac",
        '    case "$command" in',
        *words,
        "    esac",
        '    case "$word" in',
        f"        -*) {_set('$options')};;",
        f'        *) if [ "$takes" -eq 1 ]; then {_set("$positional")}else {_set("$options")}fi ;;',
        "    esac",
        "}",
        "complete -o default -F _seqsci seqsci",
    ]
    return "\n".join(lines)


def _set(words: str) -> str:
    return f'COMPREPLY=($(compgen -W "{words}" -- "$word")); '


def zsh(known: list[Command], names: list[str]) -> str:
    """The script for zsh."""

    def value(word: Word) -> str:
        if not word.metavar:
            return ""
        offered = word.choices(names)
        paths = "_files -/" if word.metavar in FOLDERS else "_files" if word.metavar in FILES else " "
        action = f"({' '.join(offered)})" if offered else paths
        return f":{word.metavar}:{action}"

    def text(sentence: str) -> str:
        return sentence.replace("'", "’").replace("[", "(").replace("]", ")").replace(":", " -")

    lines = [
        "#compdef seqsci",
        f"# zsh completion of seqsci {__version__}; load it with: source <(seqsci completion zsh)",
        "_seqsci() {",
        "    local line state",
        "    _arguments -C '(- *)--version[print the version]' '(- *)--help[print the help]' '1:command:->command' '*::argument:->rest'",
        "    case $state in",
        "    command)",
        "        local -a commands=(",
        *(f"            '{c.name}:{text(c.help)}'" for c in known),
        "        )",
        "        _describe command commands ;;",
        "    rest)",
        "        case $line[1] in",
    ]
    for c in known:
        specs = [f"'{o.flag}[{text(o.help)}]{value(o)}'" for o in c.options]
        specs += [f"'*{value(c.positional)}'"] if c.positional else []
        lines.append(f"        {c.name}) _arguments {' '.join(specs)} ;;")
    lines += ["        esac ;;", "    esac", "}", 'if [[ "$funcstack[1]" = _seqsci ]]; then _seqsci "$@"; else compdef _seqsci seqsci; fi']
    return "\n".join(lines)


def fish(known: list[Command], names: list[str]) -> str:
    """The script for fish."""

    def value(word: Word) -> str:
        offered = word.choices(names)
        if offered:
            return f"-x -a '{' '.join(offered)}'"
        return "-x -a '(__fish_complete_directories)'" if word.metavar in FOLDERS else "-r -F" if word.metavar in FILES else "-x"

    def text(sentence: str) -> str:
        return "'" + sentence.replace("'", "’") + "'"

    lines = [f"# fish completion of seqsci {__version__}; load it with: seqsci completion fish | source", "complete -c seqsci -f"]
    for c in known:
        here = f"complete -c seqsci -n '__fish_seen_subcommand_from {c.name}'"
        lines.append(f"complete -c seqsci -n __fish_use_subcommand -a {c.name} -d {text(c.help)}")
        lines += [f"{here} -l {o.flag.lstrip('-')} {value(o) if o.metavar else ''} -d {text(o.help)}".replace("  ", " ") for o in c.options]
        if c.positional:
            lines.append(f"{here} {value(c.positional)}")
    return "\n".join(lines)
