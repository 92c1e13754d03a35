"""The compiled table at hand, and how a request binds to a row of it."""

import pytest

from mypost.errors import Invalid
from mypost.rest.codec import ENDPOINTS
from mypost.schema.build import schema

GRAPHQL = schema._schema
ID = "0197f3a0-0000-7009-8000-000000000001"
TABLE = {str(e.route): e for e in ENDPOINTS}
CREATE = TABLE["POST /brands/{brandId}/posts"]
UPDATE = TABLE["PATCH /posts/{id}"]
LIST = TABLE["GET /brands/{brandId}/posts"]


def bind(endpoint, given=None, query=(), if_match=None):
    path = dict.fromkeys(endpoint.binding.path, ID)
    return endpoint.binding.bind(path, list(query), given or {}, if_match)


def faults(endpoint, given=None, query=()):
    with pytest.raises(Invalid) as refused:
        bind(endpoint, given, query)
    return {f.dotted: f.message for f in refused.value.faults}
