#!/usr/bin/env python3
"""site/check.py FOLDER: checks that each link and image of the built site leads to a file and an anchor that exist."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ATTRIBUTES = ("href", "src", "srcset")


class Page(HTMLParser):
    """The anchors and the links of one page."""

    def __init__(self, file: Path):
        super().__init__()
        self.anchors, self.links = set(), []
        self.feed(file.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value)
            elif name in ATTRIBUTES and value:
                self.links.append(value)


def main() -> int:
    site = Path(sys.argv[1]).resolve()
    pages = {file: Page(file) for file in sorted(site.rglob("*.html"))}
    # The page of missing files is served for every path, so its links begin at the root of the site.
    errors = [
        f"{file.relative_to(site)}: {error}"
        for file, page in pages.items() if file.name not in ("404.html", "toc.html")
        for link in page.links if (error := link_error(file, link, pages))
    ]
    print("\n".join(errors) or f"site: {len(pages)} pages, all links lead to a page and an anchor", file=sys.stderr)
    return 1 if errors else 0


def link_error(file: Path, link: str, pages: dict[Path, Page]) -> str | None:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        return f"the link {link} leads to no file"
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return f"the link {link} leads to no heading"
    return None


if __name__ == "__main__":
    sys.exit(main())
