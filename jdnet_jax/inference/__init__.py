"""From a finished student to answers about photos: what a model says of itself, and runners of every format."""
