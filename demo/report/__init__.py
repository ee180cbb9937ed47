"""The report of a demonstration: one HTML file for each language, which needs nothing else."""

from demo.report.page import Season, write_report

__all__ = ["Season", "write_report"]
