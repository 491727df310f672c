"""Handwritten digits on forms that a scanning office keys in. One row is a digit:

    form_id  "form-0042"
    pixels   [0, 0, 5, 13, 9, 1, ... 64 values of 0 (paper) to 16 (ink), row by row]
    digit    0

1,797 rows of the UCI set (Alpaydin and Kaynak 1998), as bundled with scikit-learn; assigned to days as if 60
arrived per day.
"""

import gzip
from importlib.util import find_spec
from typing import Any

from portfolio.contract import Classes, Image, Images, Rows


class EmbeddedDigits(Rows):
    def rows(self) -> Any:
        import numpy as np
        import polars as pl

        # The file itself, not load_digits(): importing scikit-learn takes seconds that collecting does not need.
        (package,) = find_spec("sklearn").submodule_search_locations  # type: ignore[union-attr,misc]
        with gzip.open(f"{package}/datasets/data/digits.csv.gz", "rt") as stream:
            table = np.loadtxt(stream, delimiter=",", dtype=np.uint8)
        forms = [f"form-{number:04d}" for number in range(len(table))]
        pixels = pl.Series(table[:, :64], dtype=pl.Array(pl.UInt8, 64))
        return pl.DataFrame({"form_id": forms, "pixels": pixels, "digit": table[:, 64]})


class Digits(Images):
    source = EmbeddedDigits(key="form_id", start="2026-01-05", rows_per_day=60)
    target = Classes("digit", range(10))
    inputs = [Image("pixels", 8, 8, maximum=16, step=1, description="an 8 x 8 image; 0 is paper, 16 is full ink")]

    def candidates(self) -> dict[str, Any]:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.svm import SVC

        # An SVM gives distances, not probabilities; calibration on folds of the training rows turns them into those.
        svm = CalibratedClassifierCV(SVC(gamma="scale", C=10), ensemble=False)
        return {**super().candidates(), "svm": svm}
