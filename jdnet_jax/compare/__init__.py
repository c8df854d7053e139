"""Recipes against each other: trained over several seeds at one budget, in one table and one figure."""
