"""What evidently says of windows of rows, with its defaults: how many alarms, as JSON.

`evidently_windows.py FOLDER FIELD`: the windows are `KIND-NUMBER.npz` beside `reference.npz`. Of columns, an alarm is
any that drifted; where FIELD did in the last kind, that one.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from evidently import Report
from evidently.presets import DataDriftPreset

warnings.simplefilter("ignore")


def read(path):
    with np.load(path) as found:
        return pd.DataFrame({name: found[name] for name in found})


def main(folder, moved):
    reference = read(folder / "reference.npz")
    kinds = sorted({path.name.partition("-")[0] for path in folder.glob("*-*.npz")})
    alarms = {}
    for kind in kinds:
        columns = data_set = 0
        for path in sorted(folder.glob(f"{kind}-*.npz")):
            count, *by_column = Report([DataDriftPreset()]).run(read(path), reference).dict()["metrics"]
            data_set += count["value"]["share"] >= count["config"]["drift_share"]
            drifted = [one["config"]["column"] for one in by_column if is_drifted(one)]
            columns += moved in drifted if kind == kinds[-1] else bool(drifted)
        alarms[kind] = {"columns": int(columns), "data_set": int(data_set)}
    print(json.dumps(alarms))


def is_drifted(metric):
    """A p value drifted below its threshold, and a distance above."""
    config, value = metric["config"], float(metric["value"])
    return value < config["threshold"] if "p_value" in config["method"] else value >= config["threshold"]


main(Path(sys.argv[1]), sys.argv[2])
