"""The section of activation maps: where the networks looked for the true label, photo by photo, during training."""

from __future__ import annotations

from markupsafe import Markup
from PIL import Image

from jdnet_jax.inference import overlay
from jdnet_jax.report import html
from jdnet_jax.report.run_record import RunRecord

_SIDE = 104  # of a picture, in CSS pixels


def section(run: RunRecord) -> Markup:
    """A table for each photo: a column for each step, a row for each network."""
    if not run.photos or not run.snapshots:
        return html.section("maps", "Activation maps", html.paragraph("This run has no activation maps."))
    return html.section(
        "maps",
        "Activation maps",
        html.paragraph(
            "Photos of val, and where each network sees their true label, at several steps of the training: dark blue "
            "is low, yellow is high, relative to the highest value of that map; a map without colours is zero "
            "everywhere. Below each map is the probability "
            "that the network gives the true label (at temperature 1)."
        ),
        *[_photo(run, i) for i in range(len(run.photos["label"]))],
    )


def _photo(run: RunRecord, i: int) -> Markup:
    image, name = Image.fromarray(run.photos["image"][i]), str(run.photos["name"][i])
    networks = [n for n in run.networks if all(f"{n}/map" in arrays for arrays in run.snapshots.values())]
    heads = Markup("").join(Markup('<th scope="col">step {}</th>').format(step) for step in run.snapshots)
    rows = []
    for network in networks:
        cells = []
        for step, arrays in run.snapshots.items():
            drawn = overlay.colored(_enlarged(image), arrays[f"{network}/map"][i])
            share = html.cell(float(arrays[f"{network}/probability"][i]))
            alt = f"{network}'s activation map of {name} at step {step}"
            cells.append(Markup("<td>{}<br>{}</td>").format(html.photo(drawn, alt, _SIDE), share))
        rows.append(Markup('<tr><th scope="row">{}</th>{}</tr>').format(network, Markup("").join(cells)))
    return Markup(
        '<div class="maps"><figure>{0}<figcaption>{1}</figcaption></figure>'
        '<div class="scroll from-end" tabindex="0" role="region" aria-label="activation maps of {1}"><table>'
        '<caption class="unseen">Activation maps of {1}</caption>'
        "<thead><tr><td></td>{2}</tr></thead><tbody>{3}</tbody></table></div></div></div>"
    ).format(html.photo(_enlarged(image), f"photo of {name}", _SIDE), name, heads, Markup("").join(rows))


def _enlarged(image: Image.Image) -> Image.Image:
    """A small photo enlarged to its size on the page, so that the map over it is smooth."""
    side = max(image.width, 2 * _SIDE)
    return image.resize((side, side), Image.Resampling.BICUBIC)
