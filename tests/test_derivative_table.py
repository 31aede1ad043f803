"""The table of derivatives, its column of the linear scan: each against finite differences of a loop; none silently wrong."""

from __future__ import annotations

import pytest

from benchmarks.derivatives import CASES, PEERS, column, judge


def test_every_derivative_of_the_scan_is_that_of_finite_differences_or_refused(capsys: pytest.CaptureFixture[str]) -> None:
    found = column("linear_scan")
    with capsys.disabled():
        print("\n" + "\n".join(f"  {case:<26}{verdict}" for case, verdict in found.items()))
    assert found == {case: "refused" if case == "jvp in torch.compile" else "right" for case in CASES}


def test_the_table_can_tell_a_wrong_derivative() -> None:
    """A scan that loses half of the gate's gradient has the right states and a silently wrong backward."""

    def half(f, u, c0):
        return PEERS["loop"]((f + f.detach()) / 2, u, c0)

    assert judge(CASES["backward"], half) == "silently wrong"
    assert judge(CASES["backward"], PEERS["loop"]) == "right"
