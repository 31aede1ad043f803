"""Published panels of counts in the folder SEQSCI_DATA/ecology: the Global Population Dynamics Database, salmon, famous series."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

from seqsci.domains.ecology.reading.frame import checked
from seqsci.errors import DataError, explain


def _file(name: str) -> Path:
    folder = os.environ.get("SEQSCI_DATA")
    path = Path(folder or os.devnull, "ecology", name)
    if not path.is_file():
        got = "SEQSCI_DATA is not set" if not folder else f"no file {path}"
        fix = "export SEQSCI_DATA=/folder that holds ecology/, or use lynx() (ecology/lynx), which is embedded"
        raise DataError(explain(f"ecology/{name} is not there", got, "a folder SEQSCI_DATA with ecology/" + name, fix))
    return path


def gpdd() -> pd.DataFrame:
    """Return 492 annual series of the Global Population Dynamics Database: those of Knape & de Valpine that are not restricted.

    Columns: series_id, species, year, count [``unit``], unit, cluster (the data source, which shares observers and shocks), protocol
    ("Count", "Harvest" ...: harvests are not abundance), taxon_class.
    Raises: DataError where SEQSCI_DATA does not hold the files.
    Source: NERC Centre for Population Biology (2010), The Global Population Dynamics Database version 2, DOI 10.5063/F1BZ63Z8;
    the list: Knape & de Valpine (2012), Ecology Letters 15, 17-23, DOI 10.1111/j.1461-0248.2011.01702.x.
    """
    panel, meta = pd.read_csv(_file("gpdd_knape_panel.csv.gz")), pd.read_csv(_file("gpdd_knape_meta.csv.gz"))
    more = meta[["series_id", "datasource", "protocol", "taxon_class"]].rename(columns={"datasource": "cluster"})
    return checked(panel.merge(more, on="series_id", how="left", validate="many_to_one"))


def salmon_group(series_id: str) -> str:
    """Return the group of a salmon series: its evolutionarily significant unit, or the region of the North Pacific it returns to.

    The species is part of it: Chinook and coho of the Lower Columbia River are two of the 26 groups.

    >>> salmon_group("esa:Salmon, coho (Oregon Coast ESU) Tahkenitch Lake - fall"), salmon_group("np:pink:nbc")
    ('esa:Salmon, coho (Oregon Coast ESU)', 'np:nbc')
    """
    unit = re.match(r"esa:[^()]*\([^()]*\)", series_id)
    return unit[0] if unit else "np:" + series_id.rsplit(":", 1)[-1]


def salmon() -> pd.DataFrame:
    """Return 146 salmon series: spawners of listed populations (NOAA) and returns to regions of the North Pacific.

    Columns: series_id, species, year, count [``unit``], unit, source, cluster (`salmon_group`: rivers of a group share shocks).
    Raises: DataError where SEQSCI_DATA does not hold the file.
    """
    frame = pd.read_csv(_file("salmon_panel.csv.gz"))
    return checked(frame.assign(cluster=[salmon_group(s) for s in frame["series_id"]]))


def famous() -> pd.DataFrame:
    """Return 25 well-known series (gray whales, wolves and moose of Isle Royale, kestrels, ...); several are too short to score.

    Columns: series_id, species, year, count [``unit``], unit, source, cluster (the source).
    Raises: DataError where SEQSCI_DATA does not hold the file.
    """
    frame = pd.read_csv(_file("famous.csv"))
    return checked(frame.assign(cluster=frame["source"]))
