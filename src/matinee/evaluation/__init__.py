"""Honest measurement: fixed protocols, all movies ranked, nothing chosen on test."""

from matinee.evaluation.experiment import evaluate, training_metrics
from matinee.evaluation.peers import PEERS, Peer
from matinee.evaluation.protocols import PROTOCOLS, Protocol, Split, get_protocol
from matinee.evaluation.report import EvaluationReport, ModelResult

__all__ = [
    "PEERS",
    "PROTOCOLS",
    "EvaluationReport",
    "ModelResult",
    "Peer",
    "Protocol",
    "Split",
    "evaluate",
    "get_protocol",
    "training_metrics",
]
