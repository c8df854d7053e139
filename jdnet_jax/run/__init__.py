"""The files of a run's folder and their readers: state, metrics, evaluation, and the run's description.

How it comes about belongs to `learning`; the report that is made of it to `report`.
"""
