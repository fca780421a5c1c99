#!/usr/bin/env python3
"""site/drawings.py FOLDER: draws the diagrams of the documents as SVG files in FOLDER (docs/images).

Each diagram has two files: one for a desk, and one that ends in -narrow for a phone. Their colours follow the reader's
light or dark scheme. `make docs` fails if a committed file differs from what this program draws.
"""

import sys
from html import escape
from pathlib import Path

STYLE = """
  :root { --ground: #ffffff; --ink: #1f2733; --soft: #5b6675; --line: #8b97a6; --box: #f3f6fa; --group: #e6ecf3;
    --secret: #b4541a; --secret-box: #fdf1e8 }
  @media (prefers-color-scheme: dark) { :root { --ground: #171c24; --ink: #e6ebf2; --soft: #a6b1c0; --line: #6f7c8d;
    --box: #232b36; --group: #1d242e; --secret: #f0a266; --secret-box: #3a2a1d } }
  text { font: 13.5px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }
  .title { font-weight: 600 } .soft { fill: var(--soft); font-size: 12.5px }
  .halo { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round } .middle { text-anchor: middle }
  .end { text-anchor: end } .number { font-weight: 600; fill: var(--ground); font-size: 12px; text-anchor: middle }
  .ground { fill: var(--ground) } .box { fill: var(--box); stroke: var(--line) }
  .group { fill: var(--group); stroke: var(--line); stroke-dasharray: 4 3 }
  .secret-box { fill: var(--secret-box); stroke: var(--secret) }
  .line { fill: none; stroke: var(--soft); stroke-width: 1.6 } .secret-line { fill: none; stroke: var(--secret); stroke-width: 2 }
  .life { stroke: var(--line); stroke-dasharray: 2 4 } .dot { fill: var(--soft) } .secret-dot { fill: var(--secret) }
  .secret { fill: var(--secret) }
"""


class Drawing:
    """An SVG picture that is built from boxes, arrows and lines of text."""

    def __init__(self, width: int, height: int, title: str, description: str):
        self.width, self.height = width, height
        self.title, self.description = title, description
        self.parts: list[str] = []

    def text(self, x: float, y: float, content: str, style: str = "") -> None:
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{attribute(style)}>{escape(content)}</text>')

    def lines(self, x: float, y: float, content: list[str], style: str = "") -> None:
        for number, line in enumerate(content):
            self.text(x, y + 18 * number, line, style)

    def box(self, x: float, y: float, width: float, height: float, title: str, content: list[str] = [], style: str = "box") -> None:
        self.parts.append(f'<rect class="{style}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6"/>')
        middle = x + width / 2
        top = y + height / 2 - 9 * len(content) + 5
        self.text(middle, top, title, "title middle")
        self.lines(middle, top + 18, content, "soft middle")

    def group(self, x: float, y: float, width: float, height: float, title: str) -> None:
        self.parts.append(f'<rect class="group" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8"/>')
        self.text(x + 12, y + 22, title, "title")

    def arrow(self, path: str, secret: bool = False, both: bool = False) -> None:
        name = "secret-" if secret else ""
        start = f' marker-start="url(#{name}arrow)"' if both else ""
        self.parts.append(f'<path class="{name}line" d="{path}" marker-end="url(#{name}arrow)"{start}/>')

    def life(self, x: float, top: float, bottom: float) -> None:
        self.parts.append(f'<line class="life" x1="{x:g}" y1="{top:g}" x2="{x:g}" y2="{bottom:g}"/>')

    def number(self, x: float, y: float, number: int, secret: bool = False) -> None:
        self.parts.append(f'<circle class="{"secret-dot" if secret else "dot"}" cx="{x:g}" cy="{y:g}" r="10"/>')
        self.text(x, y + 4.5, str(number), "number")

    def legend(self, x: float, y: float) -> None:
        self.arrow(f"M{x} {y}h28")
        self.text(x + 36, y + 5, "pods and patches", "soft")
        self.arrow(f"M{x + 156} {y}h28", secret=True)
        self.text(x + 192, y + 5, "secret values", "soft")

    def svg(self) -> str:
        size = f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}"'
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="description">{escape(self.description)}</desc>',
            f"<style>{STYLE}</style>",
            f"<defs>{marker('arrow', 'dot', 6)}{marker('secret-arrow', 'secret-dot', 5)}</defs>",
            f'<rect class="ground" width="{self.width}" height="{self.height}" rx="8"/>',
            *self.parts,
            "</svg>",
            "",
        ])


def marker(name: str, style: str, size: int) -> str:
    return (
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="{size}" markerHeight="{size}" '
        f'orient="auto-start-reverse"><path class="{style}" d="M0 0L8 4L0 8z"/></marker>'
    )


def attribute(style: str) -> str:
    return f' class="{style}"' if style else ""


ARCHITECTURE = (
    "The architecture of kees",
    "The API server sends an annotated pod to kees-webhook and gets a JSON patch, or all errors. The injected pod starts "
    "with the init container kees-init. It reads the values from the store with the pod's own AWS role, creates absent "
    "ones once, and writes them into a memory volume, where the application reads them.",
)


def architecture() -> Drawing:
    drawing = Drawing(750, 470, *ARCHITECTURE)
    drawing.box(20, 30, 150, 64, "kubectl, GitOps,", ["controllers"])
    drawing.box(270, 30, 150, 64, "API server")
    drawing.box(560, 30, 170, 64, "kees-webhook", ["two small pods"])
    drawing.box(560, 124, 170, 46, "policy.yaml", ["of the operator"])
    drawing.arrow("M170 62H268")
    drawing.text(219, 53, "pod", "soft middle")
    drawing.arrow("M420 50H558")
    drawing.text(489, 42, "AdmissionReview", "soft middle")
    drawing.arrow("M560 76H422")
    drawing.text(489, 96, "JSON patch,", "soft middle")
    drawing.text(489, 113, "or all errors", "soft middle")
    drawing.arrow("M645 124V96")

    drawing.group(20, 204, 470, 216, "Injected pod")
    drawing.arrow("M345 94V202")
    drawing.lines(333, 140, ["the kubelet", "starts the pod"], "soft end")
    drawing.box(40, 246, 190, 82, "kees-init", ["init container: runs once,", "then ends"])
    drawing.box(40, 366, 190, 38, "annotations")
    drawing.arrow("M135 366V330")
    drawing.box(290, 246, 180, 62, "files", ["in a memory volume"], "secret-box")
    drawing.box(290, 356, 180, 48, "application")
    drawing.arrow("M230 277H288", secret=True)
    drawing.text(259, 268, "all", "soft middle")
    drawing.text(259, 295, "or none", "soft middle")
    drawing.arrow("M380 308V354", secret=True)

    drawing.box(560, 218, 170, 116, "store", ["DynamoDB,", "Secrets Manager,", "or Parameter Store"], "secret-box")
    drawing.arrow("M135 246V228H558", secret=True, both=True)
    drawing.lines(645, 358, ["kees-init reads it, and", "creates absent values once,", "with the pod's own AWS role"], "soft middle")
    drawing.legend(232, 446)
    return drawing


def architecture_narrow() -> Drawing:
    drawing = Drawing(340, 624, *ARCHITECTURE)
    drawing.box(12, 20, 136, 58, "kubectl, GitOps,", ["controllers"])
    drawing.box(190, 20, 122, 58, "API server")
    drawing.arrow("M148 49H188")
    drawing.text(168, 41, "pod", "soft middle")
    drawing.box(12, 150, 124, 58, "policy.yaml", ["of the operator"])
    drawing.box(190, 150, 122, 58, "kees-webhook", ["two small pods"])
    drawing.arrow("M136 179H188")
    drawing.arrow("M216 78V148")
    drawing.text(208, 118, "AdmissionReview", "soft end")
    drawing.arrow("M248 148V80")
    drawing.lines(256, 109, ["patch,", "or errors"], "soft")
    drawing.arrow("M312 49H330V246")
    drawing.text(322, 232, "the kubelet starts the pod", "soft end")

    drawing.group(10, 248, 320, 186, "Injected pod")
    drawing.box(24, 284, 124, 60, "kees-init", ["runs once"])
    drawing.box(24, 378, 124, 40, "annotations")
    drawing.arrow("M86 378V346")
    drawing.box(204, 284, 112, 60, "files", ["in memory"], "secret-box")
    drawing.box(204, 378, 112, 40, "application")
    drawing.arrow("M148 314H202", secret=True)
    drawing.text(175, 304, "all or", "soft middle")
    drawing.text(175, 332, "none", "soft middle")
    drawing.arrow("M260 344V376", secret=True)

    drawing.box(12, 496, 316, 60, "store", ["DynamoDB, Secrets Manager or", "Parameter Store"], "secret-box")
    drawing.arrow("M176 494V361H120V346", secret=True, both=True)
    drawing.lines(166, 458, ["reads, and creates", "absent values once,"], "soft end")
    drawing.lines(186, 458, ["with the pod's own", "AWS role"], "soft")
    drawing.lines(14, 586, ["Grey arrows: pods and patches.", "Orange arrows: secret values."], "soft")
    return drawing


POD_START = (
    "How an annotated pod starts",
    "Twelve steps: the API server asks kees-webhook, the webhook injects the init container, the kubelet starts it, the "
    "init container reads or creates the values in the store and writes the files, and the application reads them.",
)
LANES = ["API server", "kees-webhook", "kubelet", "kees-init", "store", "application"]
# From a lane to a lane, the text, and whether secret values are sent. The same lane twice is a step inside it.
STEPS = [
    (None, "API server", ["a controller or kubectl", "creates the pod"], False),
    ("API server", "kees-webhook", ["AdmissionReview: the pod,", "because it is annotated"], False),
    ("kees-webhook", "kees-webhook", ["checks the annotations", "against the policy"], False),
    ("kees-webhook", "API server", ["JSON patch,", "or all errors"], False),
    ("API server", "API server", ["denies an annotated pod", "that was not injected"], False),
    ("API server", "kubelet", ["the pod, on its node"], False),
    ("kubelet", "kees-init", ["starts it first;", "annotations as a file"], False),
    ("kees-init", "store", ["reads all values,", "with the pod's role"], True),
    ("kees-init", "store", ["creates absent ones:", "one write, once"], True),
    ("store", "kees-init", ["the values that every", "pod gets"], True),
    ("kees-init", "kees-init", ["writes all files, or none,", "to the memory volume"], True),
    ("kubelet", "application", ["starts after exit status 0,", "and reads the files"], False),
]


def pod_start() -> Drawing:
    gap, left, top, height = 126, 62, 58, 56
    drawing = Drawing(756, top + height * len(STEPS) + 34, *POD_START)
    position = {lane: left + gap * number for number, lane in enumerate(LANES)}
    for lane, x in position.items():
        drawing.life(x, 50, drawing.height - 44)
        drawing.box(x - 58, 16, 116, 34, lane, style="secret-box" if lane == "store" else "box")
    for number, (start, end, content, secret) in enumerate(STEPS, start=1):
        y = top + height * number - 16
        draw_step(drawing, number, position.get(start), position[end], y, content, secret)
    drawing.legend(232, drawing.height - 18)
    return drawing


def draw_step(drawing: Drawing, number: int, start: float | None, end: float, y: float, content: list[str], secret: bool) -> None:
    """One step of the wide diagram: the number, the arrow, and the text above it or beside it."""
    if start is None or start == end:
        drawing.number(end, y - 12, number, secret)
        drawing.lines(end + 17, y - 16 if len(content) > 1 else y - 8, content, "soft halo")
        return
    direction = 1 if end > start else -1
    drawing.arrow(f"M{start + 10 * direction:g} {y:g}H{end - 2 * direction:g}", secret)
    drawing.number(start, y, number, secret)
    text = min(start, end) + (17 if direction > 0 else 10)
    drawing.lines(text, y - 8 - 17 * (len(content) - 1), content, "soft halo")


def pod_start_narrow() -> Drawing:
    drawing = Drawing(340, 0, *POD_START)
    y = 12
    for number, (start, end, content, secret) in enumerate(STEPS, start=1):
        height = 30 + 18 * len(content)
        style = "secret-box" if secret else "box"
        drawing.parts.append(f'<rect class="{style}" x="10" y="{y}" width="320" height="{height}" rx="6"/>')
        drawing.number(30, y + height / 2, number, secret)
        drawing.text(52, y + 20, end if start in (None, end) else f"{start} → {end}", "title")
        drawing.lines(52, y + 39, content, "soft")
        if number < len(STEPS):
            drawing.arrow(f"M30 {y + height}v12")
        y += height + 14
    drawing.text(14, y + 10, "Orange steps carry secret values.", "soft")
    drawing.height = y + 26
    return drawing


DRAWINGS = {
    "architecture": architecture,
    "architecture-narrow": architecture_narrow,
    "pod-start": pod_start,
    "pod-start-narrow": pod_start_narrow,
}


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in DRAWINGS.items():
        (folder / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
