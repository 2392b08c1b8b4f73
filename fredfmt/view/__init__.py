"""Views of data sets: pictures, report pages, curves, differences."""
