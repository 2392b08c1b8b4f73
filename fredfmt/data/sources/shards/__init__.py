"""Shards: coded images and labels in large files (Parquet, WebDataset's tar, the Arrow files of `datasets`). Each kind
finds the positions of its images (`fredfmt.data.sources.coded.Coded`) and their labels (`Stored`). The division into
splits, and the conversion of labels to classes, are the same for all.
"""
