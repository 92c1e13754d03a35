"""Runs an application of the bench as `mypost serve` runs MyPost: `python -m … module:app PORT`."""

import sys
from typing import Literal

import uvicorn


def main(application: str, port: str, lifespan: Literal["on", "off"] = "on") -> None:
    """Serves until a signal."""
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=int(port),
        lifespan=lifespan,
        loop="uvloop",
        http="httptools",
        access_log=False,
        server_header=False,
        log_level="error",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
