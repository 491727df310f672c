"""From rows to candidates: the network with Lightning, the scikit-learn estimators, studies and tuning."""
