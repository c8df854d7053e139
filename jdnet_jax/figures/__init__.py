"""Figures that tell how good a classifier is, and how sure that is: pure functions of counts and probabilities.

What computes predictions belongs to `learning` or `inference`; tables and pages to `compare` and `report`.
"""
