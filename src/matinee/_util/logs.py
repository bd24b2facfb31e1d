"""Logs of services: lines of text for people, or one JSON object a line for programs."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from matinee._util.request_context import active

ACCESS = "matinee.access"
"""The logger of one line a request."""


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, service, message, the request's ids, and fields of the record.

    Args:
        service: name of the service: "matinee-core".
    """

    def __init__(self, service: str = "matinee") -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "service": self._service,
            "pid": record.process,
            "message": record.getMessage(),
        }
        context = active()
        if context is not None:
            line |= {"request_id": context.request_id, "trace_id": context.trace_id, "span_id": context.span_id}
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def logging_config(format: str, level: str, service: str) -> dict[str, Any]:
    """A configuration for `logging.config.dictConfig` and for uvicorn; everything goes to stderr.

    Args:
        format: "text" or "json".
        level: lowest level that is logged: "info".
        service: name of the service, a field of JSON lines.
    """
    as_json = {"()": "matinee._util.logs.JsonFormatter", "service": service}
    as_text = {"()": "uvicorn.logging.DefaultFormatter", "fmt": "%(levelprefix)s %(message)s", "use_colors": None}
    own = {"handlers": ["stderr"], "level": level.upper(), "propagate": False}
    config: dict[str, Any] = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": as_json if format == "json" else as_text},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
        "loggers": {"uvicorn": own, "matinee": own},
    }
    if format == "json":  # of libraries, and of Python's warnings, no line of another form comes between
        config["root"] = {"handlers": ["stderr"], "level": "WARNING"}
    return config
