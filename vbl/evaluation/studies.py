"""Studies: variations of one training, compared seed by seed."""

from collections.abc import Mapping

from vbl.evaluation.results import load_result

Scores = Mapping[str, Mapping[int, Mapping[str, float]]]


def study_scores(name: str) -> dict[str, dict[int, dict[str, float]]]:
    """Return the scores of a study in data/results, by variation and seed.

    Raises:
        FileNotFoundError: When there is none of that name.
    """
    scores: dict[str, dict[int, dict[str, float]]] = {}
    for row in load_result(name)["rows"]:
        scores.setdefault(row["variation"], {})[row["seed"]] = row["scores"]
    return scores


def paired_changes(scores: Scores, one: str, other: str, score: str) -> list[float]:
    """Return how much higher `one` scores than `other`, for every seed that both have."""
    seeds = sorted(scores[one].keys() & scores[other].keys())
    return [scores[one][seed][score] - scores[other][seed][score] for seed in seeds]
