"""Figures that tell how good a classifier is, and how sure that is: pure functions of counts and probabilities.

Predictions are computed in `learning` and `inference`; tables and pages are made in `compare` and `report`.
"""
