"""Data sets to look at: pictures, report pages, curves, differences."""
