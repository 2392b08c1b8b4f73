"""The three containers of a dataset: `.fred` (ZIP of a Zarr hierarchy), `.fred.zarr` (directory) and `.fred.h5`
(HDF5).

Each container turns a `Package` (the metadata document and the stored arrays) into bytes and back, without interpreting
the arrays. See `fredfmt.storage.containers.package` and `declared`.
"""
