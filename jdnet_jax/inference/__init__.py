"""Inference: from a finished student to answers about photos, with runners for every format."""
