"""From rows to candidates: the network by Lightning, the scikit-learn estimators, studies and tuning."""
