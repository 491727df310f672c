"""The simpler candidates for digits."""

from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier


def baselines() -> dict[str, Any]:
    return {
        "logistic_regression": make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=1000)),
        "decision_tree": DecisionTreeClassifier(min_samples_leaf=2, random_state=0),
        "random_forest": RandomForestClassifier(n_estimators=100, random_state=0),
        # The distances of a support-vector machine are no probabilities: folds within the training rows make them so.
        "svm": CalibratedClassifierCV(SVC(gamma="scale", C=10), ensemble=False),
    }
