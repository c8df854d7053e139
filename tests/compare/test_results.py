import pytest

from jdnet_jax.compare import results
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import Workdir
from tests.compare import runs


def test_a_finished_run(tmp_path):
    found = results.read(runs.make(tmp_path, "ce", 2, [1, 0, 1, 1]))
    assert (found.recipe, found.seed, found.protocol) == ("ce", 2, runs.PROTOCOL)
    assert found.hits.tolist() == [True, False, True, True]
    assert found.training_seconds == 100 * 8 / 50
    assert results.read(Workdir(found.path), "roi").recipe == "roi"


def test_what_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match=r"nowhere is not the folder of a run"):
        results.read(Workdir(tmp_path / "nowhere"))
    place = runs.make(tmp_path, "ce", 0, [1])
    place.evaluation.unlink()
    assert results.read(place).hits is None
    place.summary.write_text("{}")
    with pytest.raises(UserError, match=r"summary.json is damaged \(recipe is missing\): delete summary.json"):
        results.read(place)
    place.summary.unlink()
    with pytest.raises(UserError, match=r"ce-0 is not finished: continue it"):
        results.read(place)


@pytest.mark.parametrize(
    ("changes", "hits", "share"),
    [
        ({}, [0, 0, 1], True),
        ({"dataset__options": {"masks": "/made"}, "dataset__view": "roi"}, [0, 0, 1], True),
        ({"dataset__options": {"seed": 1}}, [0, 0, 1], False),
        ({"dataset__splits__test": "val"}, [0, 0, 1], False),
        ({}, [0, 0], False),
    ],
)
def test_photos_are_paired_where_they_are_the_same(tmp_path, changes, hits, share):
    one = results.read(runs.make(tmp_path, "ce", 0, [1, 0, 1]))
    options = changes.pop("dataset__options", None)
    config = runs.config("jdnet", 0, **changes)
    if options:
        config.dataset.options = options
    place = Workdir(tmp_path / "other")
    runs.finish(place, config, hits)
    assert one.shares_photos_with(results.read(place)) == share
    assert results.read(place).shares_photos_with(one) == share


def test_photos_of_runs_that_kept_none_are_not_paired(tmp_path):
    places = [runs.make(tmp_path, recipe, 0, [1]) for recipe in ("ce", "jdnet")]
    places[1].evaluation.unlink()
    one, other = (results.read(place) for place in places)
    assert not one.shares_photos_with(other)
    assert not other.shares_photos_with(one)
