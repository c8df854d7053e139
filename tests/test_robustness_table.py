from tests.benchmarks import robustness_table


def evaluated(top1, macro_f1, perturbed=()):
    interval = {"top1": [0.1, 0.2], "macro_f1": [macro_f1 - 0.1, macro_f1 + 0.1]}
    return {"top1": top1, "macro_f1": macro_f1, "intervals": interval, "perturbed": list(perturbed)}


def test_the_table_by_hand():
    """Two seeds of one recipe: 60 and 80 % clean, 50 and 60 % perturbed, so 10 and 20 points are lost."""
    seeds = [
        evaluated(0.6, 0.5, [{"perturbation": "blur:2", **evaluated(0.5, 0.4)}]),
        evaluated(0.8, 0.7, [{"perturbation": "blur:2", **evaluated(0.6, 0.5)}]),
    ]
    lines = robustness_table.table({"roi": seeds, "photo": [evaluated(0.5, 0.25)]}).splitlines()
    assert lines[2:] == [
        "| roi | 2 | clean | 70.00 ± 14.14 |  | 0.6000 ± 0.1414 |  | 0.500 (0.400 to 0.600); 0.700 (0.600 to 0.800) |",
        "| roi | 2 | blur:2 | 55.00 ± 7.07 | 15.00 ± 7.07 | 0.4500 ± 0.0707 | 0.1500 ± 0.0707 "
        "| 0.400 (0.300 to 0.500); 0.500 (0.400 to 0.600) |",
        "| photo | 1 | clean | 50.00 |  | 0.2500 |  | 0.250 (0.150 to 0.350) |",
    ]
