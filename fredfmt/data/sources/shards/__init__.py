"""Shards: coded images and labels in large files, Parquet, WebDataset's tar, and what `datasets` keeps.

Each kind says where its images lie (`fredfmt.data.sources.coded.Coded`) and what their labels are (`Stored`); what they
share is how files become splits and labels become classes.
"""
