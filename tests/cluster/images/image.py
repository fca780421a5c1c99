#!/usr/bin/env python3
"""Writes an image with one layer as a tar archive in the OCI layout, for `ctr images import`.

image.py OUT.tar NAME:TAG CONFIG PATH=FILE... PATH@TARGET...
CONFIG is the image's `config` as JSON; PATH=FILE adds an executable file, PATH@TARGET a symbolic link.
"""

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import PurePosixPath

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def main(out: str, name: str, config: str, *entries: str) -> None:
    layer = layer_of(entries)
    blobs: dict[str, bytes] = {}

    def blob(content: bytes, media_type: str) -> dict:
        digest = hashlib.sha256(content).hexdigest()
        blobs[digest] = content
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    image = {
        "architecture": "amd64",
        "os": "linux",
        "config": json.loads(config),
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": blob(json.dumps(image).encode(), CONFIG),
        "layers": [blob(gzip.compress(layer, mtime=0), LAYER)],
    }
    index = {
        "schemaVersion": 2,
        "manifests": [
            blob(json.dumps(manifest).encode(), MANIFEST)
            | {"annotations": {"io.containerd.image.name": name}}
        ],
    }
    with tarfile.open(out, "w") as tar:
        add_file(tar, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}', 0o644)
        add_file(tar, "index.json", json.dumps(index).encode(), 0o644)
        for digest, content in blobs.items():
            add_file(tar, f"blobs/sha256/{digest}", content, 0o644)


def layer_of(entries: tuple[str, ...]) -> bytes:
    buffer = io.BytesIO()
    folders = {"tmp", "etc"}
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for entry in entries:
            path = entry.replace("@", "=", 1).split("=", 1)[0].lstrip("/")
            folders |= {str(p) for p in PurePosixPath(path).parents if str(p) != "."}
        for folder in sorted(folders):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for entry in entries:
            if "=" in entry:
                path, file = entry.split("=", 1)
                with open(file, "rb") as source:
                    add_file(tar, path.lstrip("/"), source.read(), 0o755)
            else:
                path, target = entry.split("@", 1)
                info = tarfile.TarInfo(path.lstrip("/"))
                info.type, info.linkname = tarfile.SYMTYPE, target
                tar.addfile(info)
    return buffer.getvalue()


def add_file(tar: tarfile.TarFile, path: str, content: bytes, mode: int) -> None:
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


if __name__ == "__main__":
    main(*sys.argv[1:])
