"""A schema of some size, and data that is more than the schema asks for."""

from typing import Any

from graphql import build_schema

from tests.engine.cases.both import both, core_alone

SCHEMA = build_schema("""
type Image { url: String width: Int height: Int }
type Author { id: String name: String pic(width: Int, height: Int): Image recentArticle: Article }
type Article {
  id: String! isPublished: Boolean author: Author title: String body: String keywords: [String]
}
type Query { article(id: ID): Article feed: [Article] }
""")


class Image:
    def __init__(self, number: int, width: int, height: int) -> None:
        self.url = f"cdn://{number}"
        self.width = f"{width}"
        self.height = float(height)


class Author:
    id = 123
    name = "John Smith"

    def pic(self, _info: Any, width: int, height: int) -> Image:
        return Image(123, width, height)

    @property
    def recentArticle(self) -> "Article":  # noqa: N802 - the field's name
        return Article(1)


class Article:
    def __init__(self, number: Any) -> None:
        self.id = number
        self.isPublished = True
        self.author = Author()
        self.title = f"My Article {number}"
        self.body = "This is a post"
        self.hidden = "This data is not exposed in the schema"
        self.keywords = ["foo", "bar", 1, True, None]


class Root:
    def article(self, _info: Any, id: str) -> Article:
        return Article(id)

    def feed(self, _info: Any) -> list[Article]:
        return [Article(number) for number in range(1, 11)]


ASKED = """
{ feed { id title }
  article(id: "1") {
    ...articleFields
    author { id name pic(width: 640, height: 480) { url width height }
      recentArticle { ...articleFields keywords } }
  } }
fragment articleFields on Article { id isPublished title body %s }
"""
ARTICLE = {"id": "1", "isPublished": True, "title": "My Article 1", "body": "This is a post"}
ANSWER = {
    "feed": [{"id": f"{number}", "title": f"My Article {number}"} for number in range(1, 11)],
    "article": {
        **ARTICLE,
        "author": {
            "id": "123",
            "name": "John Smith",
            "pic": {"url": "cdn://123", "width": 640, "height": 480},
            "recentArticle": {**ARTICLE, "keywords": ["foo", "bar", "1", "true", None]},
        },
    },
}


async def test_a_schema_is_executed():
    await both(SCHEMA, ASKED % "", ANSWER, root=Root)


async def test_fields_the_schema_does_not_have_are_not_valid_and_left_out():
    await core_alone(
        SCHEMA, ASKED % "hidden notDefined", "Article has no field hidden", ANSWER, root=Root
    )
