"""What a command prints where it succeeds, and where it fails."""

from __future__ import annotations

import pytest

from seqsci import cli


def spoken(capsys, *arguments):
    """Output and messages of a command that succeeds."""
    capsys.readouterr()
    cli.main(list(map(str, arguments)))
    done = capsys.readouterr()
    return done.out, done.err


def refused(capsys, *arguments):
    """The message of a command that fails with one explained error."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        cli.main(list(map(str, arguments)))
    text = capsys.readouterr().err
    assert stop.value.code == 1 and "Traceback" not in text and "fix:" in text, text
    return text
