"""Comparison of recipes: trained over several seeds at one budget, in one table and one figure."""
