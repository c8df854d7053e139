"""Views of a photo: all of it, the region of interest (ROI), its surroundings, or the last two side by side.

PAPER (RveRNet, Jin, 2024, arXiv 2407.08257): the ROI is the food with everything else black, the context its
complement. So ROI + context = photo, exactly, in integers. This module imports neither JAX nor TensorFlow; `cut` works
on arrays of either and of NumPy, the others on JAX's and NumPy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jdnet_jax.process.errors import UserError

PHOTO, ROI, CONTEXT, BOTH = "photo", "roi", "context", "roi+context"
VIEWS = (PHOTO, ROI, CONTEXT, BOTH)


def cut(photo: Any, mask: Any, view: str) -> dict[str, Any]:
    """The arrays that a view consists of, for a batch or one photo.

    Args:
        photo: RGB [..., height, width, 3].
        mask: in the photo's dtype, 1 on the ROI and 0 elsewhere, [..., height, width, 1]; not used for `PHOTO`.
        view: one of `VIEWS`.

    Returns:
        `image`, and for `BOTH`, of which `image` is the ROI, also `context`.
    """
    if view == PHOTO:
        return {"image": photo}
    roi = photo * mask
    if view == ROI:
        return {"image": roi}
    context = photo - roi
    return {"image": context} if view == CONTEXT else {"image": roi, "context": context}


def images_for(channels: int, batch: Mapping[str, Any]) -> Any:
    """The images that a network takes from a batch.

    A network of 6 channels (RveRNet) takes the ROI and the context side by side. One of 3 takes `image`; if the batch
    holds the two parts, it takes their sum, the whole photo. So a network of either kind can teach one of the other.

    Args:
        channels: number of channels of the network's images.
        batch: `image` [..., 3] and, where the photo comes in two parts, `context` [..., 3]; arrays of one library.

    Raises:
        UserError: the network takes two parts, and the batch has one.
    """
    image, context = batch["image"], batch.get("context")
    if channels == image.shape[-1]:
        return image if context is None else image + context
    if context is None:
        raise UserError(
            f"a network of {channels} channels takes the region of interest and its context: set "
            f"config.dataset.view={BOTH!r}, with a dataset that has masks"
        )
    return side_by_side(image, context)


def seen(photo: Any, mask: Any, view: str) -> Any:
    """The input of a network for a view: the view's one image, or its two images side by side."""
    parts = cut(photo, mask, view)
    return side_by_side(parts["image"], parts["context"]) if "context" in parts else parts["image"]


def photo_and_mask(images: Any) -> tuple[Any, Any]:
    """A photo and a mask (1 and 0) from which `seen` would make these six channels.

    Where the photo is black, both values of the mask give the same channels; it is 0 there.
    """
    roi, context = apart(images)
    return roi + context, (roi > 0).any(-1, keepdims=True).astype(images.dtype)


def side_by_side(roi: Any, context: Any) -> Any:
    """The six channels that a network with two branches takes: [..., 3] and [..., 3] to [..., 6]."""
    return roi.__array_namespace__().concat([roi, context], axis=-1)


def apart(images: Any) -> tuple[Any, Any]:
    """The two images that `side_by_side` joined to six channels."""
    return images[..., :3], images[..., 3:]
