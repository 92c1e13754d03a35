"""Where an exception was raised: for a log line, which must not hold values."""


def place_of(error: BaseException) -> str | None:
    """Answers the file and line at the bottom of a traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else None
