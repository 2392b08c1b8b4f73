"""Shards: coded images and labels in large files (Parquet, WebDataset's tar, the Arrow files of `datasets`). Each kind
finds the positions of its images (`fredfmt.data.sources.coded.Coded`) and their labels (`Stored`). How files become
splits and labels become classes is common to all.
"""
