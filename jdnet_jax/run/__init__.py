"""The files of a run's folder and their readers: state, metrics, evaluation, and the run's description.

Training itself belongs to `learning`, the report of a run to `report`.
"""
