from pathlib import Path

from tests.benchmarks import meal_ablation
from tests.benchmarks.meal_ablation import ALONE, BEST, Run


def entry(top1, params=1_000_000, multiply_adds=2_000_000):
    return {"test": {"top1": top1}, "params": params, "multiply_adds": multiply_adds}


def test_the_table_by_hand():
    ensemble = {"ensemble": entry(0.9, 3_000_000, 6_000_000)}
    students = {
        ALONE: [{"student": entry(0.5)}],
        BEST: [],
        "MEAL": [{"student": entry(t), **ensemble} for t in (0.7, 0.8)],
    }
    lines = meal_ablation.table({"a": {"student": entry(0.85)}}, students).splitlines()
    assert lines[2:] == [
        "| teacher a | 15.00 | 1 | 15.00 | 1.00 | 2.0 |",
        "| student alone, from the labels | 50.00 | 1 | 50.00 | 1.00 | 2.0 |",
        "| student MEAL | 25.00 ± 7.07 | 2 | 30.00, 20.00 | 1.00 | 2.0 |",
        "| the teachers' ensemble itself | 10.00 | 1 | 10.00 | 3.00 | 6.0 |",
    ]


def test_students_learn_from_the_best_or_from_all_with_every_seed():
    rows = meal_ablation.student_runs(Path("/w"), ["a", "b"], "b", [0, 3])
    assert rows[ALONE] == [Run("ce-0", "ce", 0), Run("ce-3", "ce", 3)]
    assert rows[BEST][1] == Run("best-3", "meal_none,teachers=b,handoffs=/w/teacher-{}", 3)
    assert rows[meal_ablation.MODES["meal"]][0] == Run("meal-0", "meal,teachers=a+b,handoffs=/w/teacher-{}", 0)
    assert len(rows) == 2 + len(meal_ablation.MODES)


def test_every_run_is_trained_once_and_failures_are_told():
    runs, cores = [Run(str(i), "", i) for i in range(5)], []

    def train(run, core):
        cores.append(core)
        return run.seed != 3

    assert meal_ablation.in_parallel(runs, 2, train) == [runs[3]]
    assert len(cores) == 5
    assert set(cores) <= {0, 1}


def test_options_after_the_dashes_go_to_every_run():
    options = meal_ablation.parse(["--workdir=w", "--teachers=a,b", "--seeds=1,2", "--", "--config.steps=2"])
    assert (options.teachers, options.seeds, options.others) == (["a", "b"], [1, 2], ["--config.steps=2"])
