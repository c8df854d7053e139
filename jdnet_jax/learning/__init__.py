"""Learning: networks with their losses and optimisers, the state, and the steps over all devices.

The loop around the steps is `train`; what it leaves on disk belongs to `run`, layers to `models`.
"""
