"""Panels on a dask cluster: the user's joblib back end is used as it is, and every number is the local one to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest

import seqsci
from seqsci import fit_panel
from seqsci.baselines.ewma import ExponentialSmoothing
from seqsci.domains.finance import models
from seqsci.domains.finance.baselines import GARCH_N, HeterogeneousAutoregression
from seqsci.evaluate.panel_backtest import backtest_panel

distributed = pytest.importorskip("distributed", reason="the scheduler of dask is not installed: pip install 'seqsci[test]'")
GARCH = models.garch_normal()
TRUTH = GARCH.start_at(mean=0.04, persistence=0.97, memory=0.9, intercept=0.03)
BASELINES = (ExponentialSmoothing(), HeterogeneousAutoregression(), GARCH_N)


@pytest.fixture(scope="module")
def wide() -> pd.DataFrame:
    values = TRUTH.simulate(8 * 300, 1).outcome["log_return"].reshape(8, 300)
    days = pd.date_range("2010-01-01", periods=300, freq="D", name="ds")
    return pd.DataFrame(values.T, index=days, columns=[f"s{i}" for i in range(8)]).assign(flat=1.0)


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def where() -> tuple[int, str]:
    import os

    import seqsci

    return os.getpid(), str(seqsci.__file__)


def test_the_workers_are_other_processes_with_this_package(client: Any) -> None:
    import os

    found = client.run(where)
    assert len({pid for pid, _ in found.values()} | {os.getpid()}) == 3
    assert {file for _, file in found.values()} == {seqsci.__file__}


def test_baselines_on_a_cluster_are_the_serial_ones_bit_for_bit(client: Any, wide: pd.DataFrame) -> None:
    serial = backtest_panel(BASELINES[0], wide, baselines=BASELINES[1:], unit="percent")
    before = sum(client.run(tasks_done).values())
    with joblib.parallel_config(backend="dask"):
        cluster = backtest_panel(BASELINES[0], wide, baselines=BASELINES[1:], unit="percent")
    assert sum(client.run(tasks_done).values()) - before >= 3
    pd.testing.assert_frame_equal(cluster.table(), serial.table(), check_exact=True)
    pd.testing.assert_frame_equal(cluster.failures, serial.failures)
    assert np.isfinite(serial.table()["GARCH-n variance"]).all() and len(serial.series) == 8 and len(serial.failures) == 3


def tasks_done(dask_worker: Any) -> int:
    return int(dask_worker.state.executed_count)


def test_fit_panel_on_workers_is_the_local_one_bit_for_bit(client: Any, wide: pd.DataFrame) -> None:
    local = fit_panel(GARCH, wide, unit="percent").table
    halves = [wide.iloc[:, :4], wide.iloc[:, 4:]]
    futures = [client.submit(fit_panel, GARCH, half, unit="percent", threads=1) for half in halves]
    remote = pd.concat([f.result().table for f in futures], ignore_index=True)
    with joblib.parallel_config(backend="dask"):
        inside = fit_panel(GARCH, wide, unit="percent").table
    for found in (remote, inside):
        pd.testing.assert_frame_equal(found.drop(columns="seconds"), local.drop(columns="seconds"), check_exact=True)
    assert list(local["status"]) == ["ok"] * 8 + ["failed"]
