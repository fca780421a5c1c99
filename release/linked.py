#!/usr/bin/env python3
"""release/linked.py SBOM LIST: prints the SBOM without the components that LIST ("NAME VERSION" a line) does not have."""

import json
import sys
from pathlib import Path


def main() -> int:
    sbom = json.loads(Path(sys.argv[1]).read_text())
    linked = {tuple(line.split()) for line in Path(sys.argv[2]).read_text().splitlines()}
    root = sbom["metadata"]["component"]["bom-ref"]
    sbom["components"] = sorted(
        (part for part in sbom["components"] if (part["name"], part["version"]) in linked), key=lambda part: part["bom-ref"]
    )
    known = {root} | {part["bom-ref"] for part in sbom["components"]}
    absent = linked - {(part["name"], part["version"]) for part in sbom["components"]} - {component_name(sbom)}
    if absent:
        print(f"these crates are linked, but the SBOM has no component for them: {sorted(absent)}", file=sys.stderr)
        return 1
    sbom["dependencies"] = sorted(
        ({**entry, "dependsOn": sorted(set(entry.get("dependsOn", [])) & known)}
         for entry in sbom["dependencies"] if entry["ref"] in known),
        key=lambda entry: entry["ref"],
    )
    print(json.dumps(sbom, indent=1))
    return 0


def component_name(sbom: dict) -> tuple[str, str]:
    component = sbom["metadata"]["component"]
    return component["name"], component["version"]


if __name__ == "__main__":
    sys.exit(main())
