"""What is asked for: one record for each load, the same for every variant that can read it."""

from dataclasses import dataclass

from mypost.ids import Tag

# Media would stand beside `author`: `media { id url mimeType }`.
DASHBOARD = """query Dashboard($id: ID!) {
  brand(id: $id) {
    name
    socialAccounts(first: 50) { nodes { id network name status } }
    posts(first: 50) {
      edges {
        cursor
        node {
          id content status scheduledAt
          author { id name }
          targets { id status account { id network name } }
        }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}"""
POST = """query Post($id: ID!) {
  post(id: $id) {
    id content status scheduledAt
    author { id name }
    targets { id status account { id network name } }
  }
}"""
# What the REST addresses ask of the schema, for those who answer it by GraphQL only.
RESOURCE = """id brandId content status phase version mediaIds targetAccountIds tags scheduledAt
  publishedAt createdBy createdAt updatedAt
  targets {
    id accountId network status content mediaIds options externalId externalUrl publishedAt attempts
    nextAttemptAt error { category source retryable message networkCode }
  }"""
REST_LIST = f"""query List($id: ID!) {{
  brand(id: $id) {{ posts(first: 50) {{ nodes {{ {RESOURCE} }}
  pageInfo {{ hasNextPage endCursor }} }} }}
}}"""
REST_POST = f"query One($id: ID!) {{ post(id: $id) {{ {RESOURCE} }} }}"


@dataclass(frozen=True, slots=True)
class Load:
    """One kind of request: which rows it names, the operation, whether each text is new."""

    name: str
    tag: Tag
    operation: str  # as the document names it
    document: str
    cold: bool = False


LOADS = {
    load.name: load
    for load in (
        Load("dashboard", Tag.BRAND, "Dashboard", DASHBOARD),
        Load("dashboard_cold", Tag.BRAND, "Dashboard", DASHBOARD, cold=True),
        Load("post", Tag.POST, "Post", POST),
        Load("rest_list", Tag.BRAND, "List", REST_LIST),
        Load("rest_post", Tag.POST, "One", REST_POST),
    )
}
