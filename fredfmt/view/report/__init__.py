"""The report page: an HTML file that contains the `.fred` file itself and decodes it in the browser."""

from fredfmt.view.report.report import report

__all__ = ["report"]
