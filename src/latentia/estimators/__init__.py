"""Estimators in scikit-learn's manner: one model in each file, thin shells around the core."""
