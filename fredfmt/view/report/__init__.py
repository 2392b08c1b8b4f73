"""The report page: a data set as one HTML file that carries the `.fred` file itself and decodes it in the browser."""

from fredfmt.view.report.report import report

__all__ = ["report"]
