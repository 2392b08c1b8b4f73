"""Views of datasets: pictures, report pages, curves, differences."""
