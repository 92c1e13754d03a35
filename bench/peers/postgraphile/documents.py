"""PostGraphile's spelling of the loads: its names for our tables, ours for the answer.

The data set holds the four phases whose status has the same word, so `phase` stands for `status`.
"""

from typing import Any

NODE = """id: rowId content status: phase scheduledAt
  author: userByCreatedBy { id: rowId name }
  targets: targetsByWorkspaceIdAndPostIdList(
    condition: { removed: false }, orderBy: [POSITION_ASC, ROW_ID_ASC]
  ) { id: rowId status: state account: accountByWorkspaceIdAndAccountId { id: rowId network name } }"""
POSTS = """posts: postsByWorkspaceIdAndBrandId(
    first: 50, condition: { deletedAt: null }, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]
  )"""
DASHBOARD = f"""query Dashboard($id: UUID!) {{
  brand: brandByRowId(rowId: $id) {{
    name
    socialAccounts: accountsByWorkspaceIdAndBrandId(
      first: 50, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]
    ) {{ nodes {{ id: rowId network name status }} }}
    {POSTS} {{ edges {{ cursor node {{ {NODE} }} }} pageInfo {{ hasNextPage endCursor }} }}
  }}
}}"""
POST = f"query Post($id: UUID!) {{ post: postByRowId(rowId: $id) {{ {NODE} }} }}"
RESOURCE = """id: rowId brandId content status: phase phase version
  tags: postTagsByWorkspaceIdAndPostIdList(orderBy: [TAG_ASC]) { tag }
  scheduledAt publishedAt createdBy createdAt updatedAt
  targets: targetsByWorkspaceIdAndPostIdList(
    condition: { removed: false }, orderBy: [POSITION_ASC, ROW_ID_ASC]
  ) {
    id: rowId accountId account: accountByWorkspaceIdAndAccountId { network } status: state content
    options externalId externalUrl publishedAt attempts nextAttemptAt error
  }"""
REST_LIST = f"""query List($id: UUID!) {{
  brand: brandByRowId(rowId: $id) {{
    {POSTS} {{ nodes {{ {RESOURCE} }} pageInfo {{ hasNextPage endCursor }} }}
  }}
}}"""
REST_POST = f"query One($id: UUID!) {{ post: postByRowId(rowId: $id) {{ {RESOURCE} }} }}"
DOCUMENTS = {
    "dashboard": DASHBOARD,
    "dashboard_cold": DASHBOARD,
    "post": POST,
    "rest_list": REST_LIST,
    "rest_post": REST_POST,
}


def ours(load: str, answer: Any) -> Any:
    """The answer with the fields that PostGraphile cannot compute, so that it can be compared."""
    posts = []
    if load == "rest_list":
        posts = answer["data"]["brand"]["posts"]["nodes"]
    elif load == "rest_post":
        posts = [answer["data"]["post"]]
    for post in posts:
        post["tags"] = [each["tag"] for each in post["tags"]]
        post["mediaIds"] = []
        post["targetAccountIds"] = [target["accountId"] for target in post["targets"]]
        for target in post["targets"]:
            target["network"] = target.pop("account")["network"]
            target["mediaIds"] = None
    return answer
