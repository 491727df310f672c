"""What a model is worth: metrics, yen, intervals, calibration, the comparison and the gate."""
