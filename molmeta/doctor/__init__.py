"""The assay doctor: what an assay file holds, what is wrong with it, and what that means for a model."""

from molmeta.doctor.diagnosis import Concern, Diagnosis, Finding, Severity

__all__ = ["Concern", "Diagnosis", "Finding", "Severity"]
