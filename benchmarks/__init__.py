"""Figures against peers, side by side in one run."""

DAY_S = 86400
