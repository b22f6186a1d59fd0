"""Corpora: many assays of any source in one folder, cleaned, split and featurized beforehand."""
