"""The benchmark of populations runs as a whole: its last line is JSON and holds every figure that is promised."""

from __future__ import annotations

import json
import math
import sys

import pytest

import benchmarks.ecology as whole
from seqsci.domains.ecology.simulator import HISTORIES


def part(name: str, keys: tuple[str, ...]):
    def run(quick: bool) -> tuple[str, dict[str, float]]:
        return f"text of {name}", dict.fromkeys(keys, 0.1234567)

    run.__name__ = name
    return run


def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], keys: tuple[str, ...], forecast: tuple[str, ...]):
    monkeypatch.setattr(sys, "argv", ["ecology", "--quick"])
    monkeypatch.setattr(whole, "confounding", part("confounding", tuple(k for k in keys if not k.endswith("_error"))))
    monkeypatch.setattr(whole, "forecasts", part("forecasts", forecast))
    status = whole.main()
    lines = capsys.readouterr().out.splitlines()
    return status, lines, json.loads(lines[-1])


def test_the_promised_keys_are_those_of_the_histories_with_ends_of_intervals() -> None:
    for name in HISTORIES:
        assert f"flag_{'power' if 'hump' in name else 'false'}_{name}" in whole.KEYS and f"smooth_coverage_{name}" in whole.KEYS
    assert {"gpdd_dcrps", "gpdd_dls_low", "salmon_dls_high", "salmon_gmcrps", "coverage90"} <= set(whole.FORECAST_KEYS)


def test_the_last_line_is_json_with_all_keys_and_the_quick_run_says_what_it_leaves_out(monkeypatch, capsys) -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    status, lines, found = run(monkeypatch, capsys, whole.KEYS, whole.FORECAST_KEYS)
    assert status == 0 and set(whole.KEYS) | set(whole.FORECAST_KEYS) <= set(found)
    assert found["arima_error"] <= 1e-10 and found["kalman_error"] <= 1e-8 and found["coverage90"] == 0.123457
    assert "automatic_arima" in lines[-2] and "40 replicates" in lines[-2]


def test_a_promised_key_that_is_absent_is_named_and_fails(monkeypatch, capsys) -> None:
    pytest.importorskip("statsmodels", reason="statsmodels is not installed")
    status, lines, _ = run(monkeypatch, capsys, tuple(k for k in whole.KEYS if k != "flag_false_const"), ("gpdd_dcrps",))
    assert status == 1 and "flag_false_const" in lines[-2] and "salmon_dls_high" in lines[-2]
    assert run(monkeypatch, capsys, whole.KEYS, ())[0] == 0


def test_what_is_no_number_is_null() -> None:
    assert whole.plain(math.nan) is None and whole.plain(math.inf) is None and whole.plain(3.04e-14) == 3.04e-14
