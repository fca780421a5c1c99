#!/usr/bin/env python3
"""site/pages.py: the mdBook preprocessor of the documentation site.

It adds the pages of ROOT_PAGES, which are outside docs/, and the decisions of docs/adr. In all pages it changes the links that are right in the
repository but not on the site: those to pages outside docs/, to other files, and to README.md files, which mdBook
renames to index.md.
"""

import json
import posixpath
import re
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
FILES = "https://github.com/kees-secrets/kees/blob/main"
ROOT_PAGES = {
    "SECURITY.md": ("Security", "security.md"),
    "CONTRIBUTING.md": ("Contributing", "contributing.md"),
    "CHANGELOG.md": ("Changelog", "changelog.md"),
}
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
FENCE = re.compile(r"(^(?:```|~~~).*?^(?:```|~~~))", re.MULTILINE | re.DOTALL)


def main() -> int:
    if sys.argv[1:2] == ["supports"]:
        return 0 if sys.argv[2:] == ["html"] else 1
    _, book = json.load(sys.stdin)
    items = book["items"]
    add_decisions(items)
    for chapter in chapters(items):
        source = chapter.get("source_path") or chapter["path"]
        chapter["content"] = with_site_links(chapter["content"], posixpath.join("docs", source))
    for file, (name, path) in ROOT_PAGES.items():
        content = with_site_links((REPOSITORY / file).read_text(encoding="utf-8"), file)
        items.append(new_chapter(name, content, path, None, []))
    json.dump(book, sys.stdout)
    return 0


def add_decisions(items: list) -> None:
    parent = next(chapter for chapter in chapters(items) if chapter["source_path"] == "adr/README.md")
    for number, file in enumerate(sorted((REPOSITORY / "docs/adr").glob("0*.md")), start=1):
        content = file.read_text(encoding="utf-8")
        name = content.partition("\n")[0].removeprefix("# ")
        decision = new_chapter(name, content, f"adr/{file.name}", f"adr/{file.name}", [parent["name"]])
        decision["Chapter"]["number"] = [*parent["number"], number] # numbered chapters are folded
        parent["sub_items"].append(decision)


def new_chapter(name: str, content: str, path: str, source_path: str | None, parents: list[str]) -> dict:
    return {"Chapter": {
        "name": name, "content": content, "number": None, "sub_items": [], "path": path, "source_path": source_path,
        "parent_names": parents,
    }}


def chapters(items: list):
    for item in items:
        if isinstance(item, dict) and "Chapter" in item and item["Chapter"]["path"]:
            yield item["Chapter"]
            yield from chapters(item["Chapter"]["sub_items"])


def with_site_links(text: str, file: str) -> str:
    parts = FENCE.split(text)
    parts[::2] = [LINK.sub(lambda link: link[1] + site_link(link[2], file) + link[3], part) for part in parts[::2]]
    return "".join(parts)


def site_link(link: str, file: str) -> str:
    """The link of the site for a link of a file of the repository."""
    target, hash_sign, anchor = link.partition("#")
    if not target or re.match(r"[a-z]+:", target):
        return link
    page = site_page(file)
    path = posixpath.normpath(posixpath.join(posixpath.dirname(file), target))
    if site_page(path) is None:
        return f"{FILES}/{path}{hash_sign}{anchor}"
    return posixpath.relpath(site_page(path), posixpath.dirname(page) or ".") + hash_sign + anchor


def site_page(path: str) -> str | None:
    """The path on the site of a file of the repository."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path][1]
    if not path.startswith("docs/") or path == "docs/SUMMARY.md":
        return None
    return re.sub(r"(^|/)README\.md$", r"\1index.md", path.removeprefix("docs/"))


if __name__ == "__main__":
    sys.exit(main())
