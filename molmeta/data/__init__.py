"""Assays, tables, episodes, splits and libraries."""
