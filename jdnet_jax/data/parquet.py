"""Image sets in the layout of the Hugging Face hub: Parquet files of photos and labels, as users download them.

`hf download ethz/food101 --repo-type=dataset --local-dir=FOLDER` makes such a folder. `parquet_files` finds the
files of a split, `parquet_rows` reads them. Photos are checked, and rewritten if necessary, like those of
`image_folder`. Records are written in the order of a hash of the photos, so files may be sorted by class.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from absl import logging

from jdnet_jax.data import folder_listing, hold_out, parquet_files, parquet_photos, parquet_rows, photo_file
from jdnet_jax.data.local_builder import LocalBuilder, Unchecked
from jdnet_jax.data.parallel import in_order
from jdnet_jax.data.parquet_photos import Photos
from jdnet_jax.data.parquet_rows import Table
from jdnet_jax.data.photo_limits import UnreadablePhotoError
from jdnet_jax.data.wording import counted, listed
from jdnet_jax.process.errors import UserError

TESTS = ("test", "validation", "holdout")

Tables = Mapping[str, tuple[Table, ...]]


@dataclasses.dataclass(eq=False)
class ParquetConfig(tfds.core.BuilderConfig):
    """The options of a build; see `create`. `tables` are the files of the splits that are not held out of train."""

    tables: Tables = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()
    val_fraction: float = 0.1
    test_fraction: float = 0.1
    split_seed: int = 0
    left_out: tuple[str, ...] = ()


def create(
    raw_dir: str,
    store: str | None,
    *,
    names: Unchecked = (),
    test: Unchecked = "test",
    val_fraction: Unchecked = 0.1,
    test_fraction: Unchecked = 0.1,
    split_seed: Unchecked = 0,
    image_column: str = "image",
    label_column: str = "label",
) -> Parquet:
    """The builder for Parquet files.

    The name of its config, and so the place of its records, is a digest of the options and of the files' sizes, layout
    and first, middle and last bytes: other files or changed ones are prepared again.

    Args:
        raw_dir: a file, a folder, or globs, see `parquet_files.find`.
        store: TFDS data directory; None for TFDS's default.
        names: class names in the order of their numbers, or a text file with one on each line. Without them the names
            in the files' metadata count, or else the labels themselves, sorted.
        test: the split that is tested on: 'test', 'validation' (val is then held out of train), or 'holdout' for a part
            of train.
        val_fraction: share of each class, above 0, that is held out of train where there is no val.
        test_fraction: the same for test='holdout'; both shares together are below 1.
        split_seed: another seed holds out other photos.
        image_column: name of the images' column.
        label_column: name of the labels' column.

    Raises:
        UserError: an option is impossible, or the files are not there, are damaged, lack a column or have no such test.
    """
    if test not in TESTS:
        raise UserError(f"dataset.options.test={test!r} of parquet must be one of {', '.join(TESTS)}")
    hold_out.check_options("parquet", split_seed, val_fraction=val_fraction, test_fraction=test_fraction)
    files = parquet_files.find(raw_dir)
    chosen, left_out = _choose(files, test, raw_dir)
    tables = {
        split: tuple(parquet_rows.inspect(file, image_column, label_column) for file in members)
        for split, members in chosen.items()
    }
    for split, members in tables.items():
        if not sum(table.size for table in members):
            raise UserError(f"{split} of dataset.data_dir={raw_dir!r} has no rows")
    classes = _read_names(names) or _same_names(tables)
    sha = hashlib.sha256(repr((classes, val_fraction, test_fraction, split_seed, left_out)).encode())
    for split, members in tables.items():
        for table in members:
            sha.update(repr((split, table.image, table.label, table.layout)).encode())
            sha.update(folder_listing.probe(table.file))
    config = ParquetConfig(
        name=sha.hexdigest()[:12],
        tables=tables,
        names=classes,
        val_fraction=val_fraction,
        test_fraction=test_fraction,
        split_seed=split_seed,
        left_out=left_out,
    )
    return Parquet(data_dir=store, config=config)


def _choose(files: parquet_files.Files, test: str, raw_dir: str) -> tuple[dict[str, tuple[Path, ...]], tuple[str, ...]]:
    """The files of train, val and test, without the splits that are to be held out, and sentences on files left out."""
    there = dict(files.splits)
    chosen = {"train": there.pop("train")}
    if test != "holdout":
        if test not in there:
            others = [f"{name!r} for a part of train" if name == "holdout" else repr(name) for name in TESTS[1:]]
            offers = [o for name, o in zip(TESTS[1:], others, strict=True) if name == "holdout" or name in there]
            raise UserError(
                f"dataset.data_dir={raw_dir!r} has no {test} split, only {', '.join(files.splits)}: set "
                f"dataset.options.test={' or '.join(offers)}"
            )
        chosen["test"] = there.pop(test)
    if "validation" in there:
        chosen["val"] = there.pop("validation")
    words = [f"split {split} left out" for split in there]
    if files.others:
        logging.warning("Parquet files of no split: %s", listed([str(file) for file in files.others]))
        words.append(counted(len(files.others), "file") + " of no split left out")
    return chosen, tuple(words)


def _read_names(names: Unchecked) -> tuple[str, ...]:
    """The option `names`; () where it is empty."""
    option = "dataset.options.names of parquet"
    if isinstance(names, str) and names:
        try:
            lines = Path(names).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{option}: the file {names} cannot be read ({error})") from error
        names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise UserError(f"{option}: the file {names} is empty")
    if not isinstance(names, list | tuple | str) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{option} is {names!r}: it must be class names, or the name of a text file with them")
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise UserError(f"{option} has {listed(twice)} more than once")
    return tuple(names)


def _same_names(tables: Tables) -> tuple[str, ...]:
    """The class names in the metadata of the files, which must agree; () if no file has any."""
    files = {table.names: table.file for members in tables.values() for table in members if table.names}
    if len(files) > 1:
        one, other = list(files.values())[:2]
        raise UserError(
            f"{one} and {other} have different names of classes in their metadata: check that they belong to one "
            "dataset"
        )
    return next(iter(files), None) or ()


class Parquet(LocalBuilder):
    """Builder of an image set in Parquet files; made by `create`."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return self.labelled_photos(
            "Photos and labels in Parquet files, in the layout of the Hugging Face hub.",
            {"label": tfds.features.ClassLabel()},  # named once the files are read
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        config = self.builder_config
        names = config.names or _names_of_labels(config.tables["train"])
        photos, skipped = {}, 0
        for split, tables in config.tables.items():
            photos[split], bad = parquet_photos.read_photos(split, tables, names)
            skipped += bad
        divided = parquet_photos.divide(photos, config.val_fraction, config.test_fraction, config.split_seed)
        self.info.features["label"].names = names
        self.info.metadata["protocol"] = "; ".join(
            [
                counted(len(names), "class") + ("" if config.names else " (named by the labels)"),
                *_how_divided(config),
                *config.left_out,
                counted(skipped, "unreadable photo") + " skipped",
                counted(sum(not photo.is_kept for part in photos.values() for photo in part.values()), "photo")
                + " rewritten",
                *_suspicious(divided, names),
            ]
        )
        return {
            split: self._generate_examples(config.tables.get(split, config.tables["train"]), divided[split])
            for split in ("train", "val", "test")
        }

    def _generate_examples(self, tables: Sequence[Table], photos: Photos) -> Iterator[tuple[str, dict[str, Any]]]:
        def record(row: tuple[int, str, bytes | None, object]) -> tuple[int, bytes]:
            number, where, image, _ = row
            try:
                return number, photo_file.to_record(image or b"")
            except UnreadablePhotoError as error:
                raise UserError(f"{where} changed while it was read ({error}): run the same command again") from error

        wanted = (row for row in parquet_photos.rows(tables) if row[0] in photos)
        for number, encoded in in_order(record, wanted):
            photo = photos[number]
            yield f"{photo.digest.hex()}:{number}", {"image": io.BytesIO(encoded), "label": photo.label}


def _names_of_labels(tables: Sequence[Table]) -> tuple[str, ...]:
    """The class names taken from the labels of train, if nothing else names the classes."""
    labels = {label for table in tables for label in parquet_rows.labels(table)}
    strings = sorted(label for label in labels if isinstance(label, str))
    if strings:
        return tuple(strings)
    logging.warning(
        "%s has no class names, so classes are named by their numbers; set dataset.options.names for names",
        tables[0].file,
    )
    greatest = max((label for label in labels if isinstance(label, int)), default=-1)
    return tuple(str(number) for number in range(greatest + 1))


def _how_divided(config: ParquetConfig) -> Iterator[str]:
    for split, fraction in (("val", config.val_fraction), ("test", config.test_fraction)):
        if split in config.tables:
            yield f"{split} from {listed([table.file.name for table in config.tables[split]], limit=1)}"
        else:
            share = f"{100 * fraction:g} % of each class of train"
            yield f"{split} is {share}, by a hash of the photos, seed {config.split_seed}"


def _suspicious(divided: Mapping[str, Photos], names: Sequence[str]) -> Iterator[str]:
    """Sentences on what makes results on this dataset unreliable: classes without photos, and copies of photos."""
    for split, photos in divided.items():
        absent = set(range(len(names))) - {photo.label for photo in photos.values()}
        if absent:
            logging.warning("classes without a photo in %s: %s", split, listed([names[n] for n in sorted(absent)]))
            yield f"{split} holds {len(names) - len(absent)} of the {len(names)} classes"
    splits_of, labels_of = defaultdict(set), defaultdict(set)
    for split, photos in divided.items():
        for photo in photos.values():
            splits_of[photo.digest].add(split)
            labels_of[photo.digest].add(photo.label)
    for what, occurrences in (("in several splits", splits_of), ("under several classes", labels_of)):
        number = sum(len(members) > 1 for members in occurrences.values())
        if number:
            logging.warning("%s %s, byte for byte", counted(number, "photo"), what)
            yield f"{counted(number, 'photo')} {what}"
