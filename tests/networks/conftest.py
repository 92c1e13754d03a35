"""The servers of networks that others wrote; each is started once, for tests marked `network`."""

from collections.abc import Iterator

import pytest

from tests.networks.pds.run import Pds, running


@pytest.fixture(scope="session")
def pds() -> Iterator[Pds]:
    """A personal data server with the accounts alice and bob."""
    with running() as started:
        yield started


@pytest.fixture(scope="session")
def bluesky_server(pds: Pds) -> tuple[str, dict[str, str]]:
    """An address and credentials for tests/networks/test_contract.py."""
    return pds.url, pds.accounts["bob"].credentials
