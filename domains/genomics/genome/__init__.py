"""Coordinates: intervals, builds, strands, sequences as codes, grouped splits, a cache of a genome, scans of whole chromosomes."""
