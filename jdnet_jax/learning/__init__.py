"""Learning: networks with their losses and optimisers, the state, and the steps over all devices.

The loop around the steps is `train`; its files belong to `run`, layers to `models`.
"""
