"""Segment Anything: a network that segments the object at a point or in a box.

Kirillov et al., "Segment Anything", ICCV 2023, as the package `transformers` has it. `sam_prompts` has the prompts and
the choice among the masks.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

from jdnet_jax.process.errors import UserError
from jdnet_jax.segment import sam_prompts
from jdnet_jax.segment.segmenter import Mask, Pixels


@dataclasses.dataclass(frozen=True)
class Sam:
    """A Segment Anything network on the first GPU, or on the CPU where there is none; a `Segmenter`.

    Attributes:
        network: the network, of `transformers`.
        processor: the processor of the same checkpoint.
        settings: see `Segmenter`.
        versions: see `Segmenter`.
        lock: lets one photo at a time through the network.
    """

    network: Any
    processor: Any
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    least: float = 0.0
    reach: float = 1.0
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def segment(self, pixels: Pixels) -> Mask:
        """The mask of a photo; see `Segmenter`."""
        import torch

        height, width = pixels.shape[:2]
        with self.lock, torch.inference_mode():
            inputs = self.processor(pixels, return_tensors="pt", **self._prompts(height, width)).to(self.network.device)
            sizes, shown = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
            if "input_points" in inputs:
                inputs["input_labels"] = torch.ones(inputs["input_points"].shape[:3], device=self.network.device)
            # The prompts are float64, which the network is not.
            inputs = {name: value.to(torch.float32) for name, value in inputs.items()}
            answer = self.network(**inputs, multimask_output=True)
            masks = answer.pred_masks.flatten(1, 2)  # logits of all masks of all prompts, on a quarter of the grid
            # Chosen there: at a photo's size the masks of a grid of prompts would take gigabytes.
            ratio = masks.shape[-1] / self.processor.image_processor.pad_size["width"]
            rows, columns = (max(1, round(ratio * int(side))) for side in shown[0])
            chosen = sam_prompts.choose(
                (masks[0, :, :rows, :columns] > 0).cpu().numpy(), answer.iou_scores.flatten().float().cpu().numpy()
            )
            full_size = self.processor.image_processor.post_process_masks(
                masks[:, None, chosen : chosen + 1], sizes, shown
            )
        return full_size[0][0, 0].cpu().numpy().astype(bool)

    def _prompts(self, height: int, width: int) -> dict[str, Any]:
        prompt = self.settings["prompt"]
        points = sam_prompts.points(prompt, height, width, self.settings.get("points", 1))
        if points is None:
            return {"input_boxes": [[sam_prompts.box(height, width, self.settings["margin"]).tolist()]]}
        return {"input_points": [[[point] for point in points.tolist()]]}


def load(checkpoint: str, prompt: str, margin: float, points: int) -> Sam:
    """Opens a checkpoint.

    Args:
        checkpoint: a repository of the Hugging Face hub, which is downloaded once, or a folder that `save_pretrained`
            wrote.
        prompt: see `sam_prompts.points`.
        margin: see `sam_prompts.box`.
        points: number of points along a side of the grid.

    Raises:
        UserError: torch or transformers is not installed, or the checkpoint cannot be had or is not of Segment
            Anything.
    """
    try:
        import torch
        import transformers
        from transformers import SamModel, SamProcessor
    except ImportError as error:
        raise UserError(
            f"--backend=sam needs torch, torchvision and transformers ({error}): pip install 'jdnet-jax[sam]'"
        ) from error
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        processor = SamProcessor.from_pretrained(checkpoint)
        network, report = SamModel.from_pretrained(checkpoint, output_loading_info=True)
    except (ImportError, OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"--checkpoint={checkpoint} cannot be opened ({reason}): name a repository of Segment Anything on the "
            "Hugging Face hub, such as facebook/sam-vit-base, or the folder of one"
        ) from error
    if report["missing_keys"]:
        raise UserError(
            f"--checkpoint={checkpoint} is not of Segment Anything: it lacks {len(report['missing_keys'])} of its "
            f"tensors, such as {min(report['missing_keys'])}"
        )
    settings: dict[str, Any] = {"backend": "sam", "checkpoint": checkpoint, "prompt": prompt}
    if prompt == sam_prompts.BOX:
        settings["margin"] = margin
    if prompt == sam_prompts.GRID:
        settings["points"] = points
    if revision := getattr(network.config, "_commit_hash", None):
        settings["revision"] = revision
    device = "cuda" if torch.cuda.is_available() else "cpu"
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return Sam(network.to(device).eval(), processor, settings, versions)
