"""Conversion between images and coefficients: masks, quantisation, encoding, decoding, whitening."""
