"""seqsci completion: what a shell offers; light commands load nothing heavy."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from seqsci import cli
from seqsci.cli import completion
from tests.spoken import refused, spoken


def completed(script, *words):
    """What bash offers for the last of the words."""
    line = f'source {script}; COMP_WORDS=(seqsci "$@"); COMP_CWORD=$#; _seqsci; printf "%s\\n" "${{COMPREPLY[@]}}"'
    return subprocess.run(["bash", "-c", line, "bash", *words], capture_output=True, text=True, check=True).stdout.split()


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    path = tmp_path_factory.mktemp("completion") / "seqsci.bash"
    path.write_text(completion.bash(completion.commands(), ["finance/sp500", "finance/wti", "memory/reviews"]))
    return path


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("sh",), ["show"]),
        (("show", "fin"), ["finance/sp500", "finance/wti"]),
        (("fit", "--config", "mem"), ["memory/reviews"]),
        (("fit", "--config", "=", "mem"), ["memory/reviews"]),
        (("fit", "--data.p"), ["--data.path", "--data.paths"]),
        (("fit", "--data.path", ""), []),
        (("predict", "--hor"), ["--horizon"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("compare", "runs/x"), []),
        (("cache", "finance/wti", "finance/s"), ["finance/sp500"]),
    ],
)
def test_bash_completes_commands_options_and_names(script, words, offered):
    assert completed(script, *words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_command_and_shown_option_is_in_the_script_and_the_shell_accepts_it(shell, capsys):
    text = spoken(capsys, "completion", shell)[0]
    assert all(f"{name}" in text for name in (*cli.COMMANDS, "finance/sp500", "data.path", "horizon"))
    if shutil.which(shell):
        done = subprocess.run([shell, "-n", "/dev/stdin"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_an_unknown_shell_is_refused(capsys):
    assert "did you mean 'zsh'" in refused(capsys, "completion", "tzsh")


@pytest.mark.parametrize("words", [("completion", "bash"), ("cite",), ("--version",), ("list",)])
def test_light_commands_load_neither_torch_nor_pandas(words):
    code = f"import sys; from seqsci import cli\ntry: cli.main({list(words)!r})\nexcept SystemExit: pass\n"
    code += "print([m for m in ('torch', 'pandas', 'numba', 'sympy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
