"""Evaluation: metrics and their conventions, protocols, the papers' tables and ours, results."""

from vbl.evaluation.calibration import (
    LEVELS,
    conformal_quantile,
    coverage,
    log_score,
    pit,
    pit_histogram,
    sharpness,
    summary,
)
from vbl.evaluation.evaluate import Report, evaluate
from vbl.evaluation.ledger import ledger
from vbl.evaluation.metrics import CONVENTIONS, correlation, psnr, registered, ssim
from vbl.evaluation.protocols import PROTOCOLS
from vbl.evaluation.reproduce import compare, paper_values, reproduce
from vbl.evaluation.results import load_result, paired_changes, save_result, study_scores
from vbl.evaluation.tables import TABLES
