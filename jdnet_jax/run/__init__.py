"""What a run leaves in its folder, and how it is found again: state, metrics, evaluation, and what it says of itself.

How it comes about belongs to `learning`; the report that is made of it to `report`.
"""
