"""The report: one HTML file that says what an adapted model is worth, and shows why."""
