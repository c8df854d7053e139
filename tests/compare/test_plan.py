import importlib.util

import pytest

from jdnet_jax.compare import plan, recipes
from jdnet_jax.process.errors import UserError
from jdnet_jax.run.workdir import plain
from tests.compare import runs

# ml_collections loads config files in a way that Python has deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")

FILE = "configs/demo.py"
OVERRIDES = (
    "--config.steps=7",
    "--config.teachers.teacher.options.width=8",
    "--config.dataset.options.counts=(64,24,41)",
)


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


def test_every_recipe_with_every_seed_after_the_teachers_that_they_need(tmp_path):
    runs = plan.make(FILE, ["ce", "kd", "at", "jdnet", "jdnet_trained"], 2, OVERRIDES, tmp_path)
    one_seed = ["ce-{}", "teacher_teacher-{}", "kd-{}", "at-{}", "jdnet-{}", "jdnet_trained-{}"]
    assert [run.name for run in runs] == [name.format(seed) for seed in (0, 1) for name in one_seed]
    by_name = {run.name: run for run in runs}
    for run in runs:
        assert run.config.steps == 7
        assert run.config.seed == run.seed == int(run.name[-1])
        assert run.config.dataset.options.counts == (64, 24, 41)
    for recipe in ("kd", "at", "jdnet_trained"):
        assert by_name[f"{recipe}-1"].needs == ("teacher_teacher-1",)
    assert by_name["kd-1"].config.teachers.teacher.init == str(tmp_path / "teacher_teacher-1")
    assert by_name["jdnet-0"].needs == ()
    # A teacher that learns on has settings of its own for that; before, it was trained as any other.
    assert by_name["jdnet_trained-0"].config.groups.teacher.schedule.learning_rate == pytest.approx(4e-4)
    assert by_name["teacher_teacher-0"].config.groups.to_dict() == {}


def test_the_teacher_is_trained_alone_as_the_student_would_be(tmp_path):
    (teacher, _) = plan.make(FILE, ["kd"], 1, OVERRIDES, tmp_path)
    assert teacher.recipe == ""
    assert teacher.config.recipe == "ce"
    assert not teacher.config.teachers
    student = teacher.config.student.to_dict()
    assert student == {"model": "resnet_tiny", "init": "random", "options": {"width": 8}}


def test_recipes_that_train_their_teacher_differently_cannot_share_it(tmp_path):
    file = tmp_path / "different.py"
    file.write_text(
        "from jdnet_jax.config import default, teacher\n"
        "from jdnet_jax.config.recipes import apply_recipe\n"
        "def get_config(recipe='kd'):\n"
        "    config = default()\n"
        "    before = {'epochs': 2.0 if recipe == 'kd' else 20.0}\n"
        "    config.teachers = {'teacher': teacher('resnet18', before=before)}\n"
        "    return apply_recipe(config, recipe)\n"
    )
    with pytest.raises(UserError, match="recipes train teacher differently before, in epochs, and compare shares one"):
        plan.make(str(file), ["kd", "jdnet_trained"], 1, [], tmp_path)
    assert len(plan.make(str(file), ["fitnet", "dist"], 1, [], tmp_path)) == 3  # the same before


def test_a_teacher_that_begins_with_weights_for_each_branch_is_trained_first(tmp_path):
    file = tmp_path / "branches.py"
    file.write_text(
        "from jdnet_jax.config import default, teacher\n"
        "from jdnet_jax.config.recipes import apply_recipe\n"
        "def get_config(recipe='kd'):\n"
        "    config = default()\n"
        "    config.teachers = {'teacher': teacher('rvernet', {'roi': 'random', 'context': 'random'})}\n"
        "    return apply_recipe(config, recipe)\n"
    )
    alone, kd = plan.make(str(file), ["kd"], 1, [], tmp_path)
    assert alone.config.student.init.to_dict() == {"roi": "random", "context": "random"}
    assert kd.config.teachers.teacher.init == str(alone.place.path)


def test_values_of_teachers_are_left_out_where_there_is_none():
    flags = ["--config.losses.mskd.routing.teacher=0.5", "--config.losses.ial.weight=3.0"]
    assert recipes.load(FILE, "jdnet", flags).losses.mskd.routing.teacher == 0.5
    alone = recipes.load(FILE, "ce", flags)
    assert (alone.losses.ial.weight, dict(alone.losses.mskd.routing)) == (3.0, {})


def test_the_options_of_a_config_file_hold_for_every_recipe():
    config = recipes.load("configs/food101.py:pair=efficientnet_b4-b0", "ce", [])
    assert (config.recipe, config.student.model) == ("ce", "efficientnet_b0")


def test_a_page_holds_the_very_config(tmp_path):
    (run,) = plan.make(FILE, ["jdnet"], 1, OVERRIDES, tmp_path)
    path = tmp_path / "page.py"
    path.write_text(recipes.page(run.config, "jdnet-0"))
    spec = importlib.util.spec_from_file_location("page", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert plain(module.get_config()) == plain(run.config)
    assert module.get_config().dataset.options.counts == (64, 24, 41)


def test_a_folder_of_another_comparison_is_refused(tmp_path):
    (first,) = plan.make(FILE, ["ce"], 1, [], tmp_path)
    plan.claim([first])
    runs.finish(first.place, first.config, [1, 0])
    plan.claim([first])
    with pytest.raises(UserError, match=r"ce-0 belongs to a run of another config, which differs in steps"):
        plan.claim(plan.make(FILE, ["ce"], 1, ["--config.steps=9"], tmp_path))


@pytest.mark.parametrize(
    ("names", "overrides", "message"),
    [
        (["ce", "ce"], [], "--recipes=ce,ce names a recipe twice"),
        (["jdnt"], [], "unknown recipe 'jdnt'; did you mean 'jdnet'"),
        (["ce"], ["--config.stps=3"], "Did you mean"),
        (["jdnet"], ["--config.batch_size=0"], "recipe jdnet: config.batch_size is 0"),
    ],
)
def test_mistakes_are_found_before_anything_is_trained(tmp_path, names, overrides, message):
    with pytest.raises(UserError) as error:
        plan.make(FILE, names, 1, overrides, tmp_path)
    assert message in str(error.value)
    assert not list(tmp_path.iterdir())
