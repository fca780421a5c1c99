"""Reviews that a client can send to exhaust the webhook, each as long as the body limit allows."""

import json

BODY_LIMIT = 3 * 1024 * 1024
ENTRY = {"secret.bsycorp.com/db-password": "kind=DYNAMIC,type=PASSWORD,size=256"}
SECRETS = {"name": "kees-secrets", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}}
FILES = {"name": "kees-secrets", "mountPath": "/bsycorp-init", "readOnly": True}
# The place of a repeated text in a pod that is otherwise written as JSON.
FILL = "@FILL@"


def review(annotations=None, **spec):
    return json.dumps({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": "team-a",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "object": {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations or ENTRY},
                "spec": {"containers": [{"name": "web", "image": "busybox:1"}], **spec}},
            "oldObject": None, "dryRun": False}})


def filled(text, item, separator=",", quoted=True):
    """`text` with as many of `item` in the place of FILL as fit into a body."""
    place = f'"{FILL}"' if quoted else FILL
    count = (BODY_LIMIT - len(text.encode())) // len((item + separator).encode())
    return text.replace(place, separator.join([item] * count), 1).encode()


def with_existing(**container):
    """A pod that looks as if it were injected already."""
    init = {"name": "kees-init", "image": "registry.example.com/kees-init:0.1.0", "volumeMounts": [{**FILES, "readOnly": False}], **container}
    return {"initContainers": [init], "containers": [{"name": "web", "image": "busybox:1", "volumeMounts": [FILES]}], "volumes": [SECRETS]}


def million_args():
    return filled(review(**with_existing(args=[FILL])), '""')


def million_variables():
    return filled(review(**with_existing(env=[FILL])), '{}')


def million_sources():
    volume = {"name": "kees-podinfo", "projected": {"sources": [FILL]}, "downwardAPI": {"items": [FILL]}}
    return filled(review(**{**with_existing(), "volumes": [volume, SECRETS]}).replace(f'"{FILL}"', "{}", 1), "{}")


def million_containers():
    return filled(review(containers=[FILL]), "{}")


def mounts_and_volumes():
    """Each container has one mount above the files, whose volume is searched among all volumes."""
    containers = [{"volumeMounts": [{"name": "m", "mountPath": "/"}]} for _ in range(4096)]
    return filled(review(containers=containers, volumes=[FILL]), "{}")


def many_mounts():
    container = '{"volumeMounts":[' + ",".join(["{}"] * 500) + "]}"
    return filled(review(containers=[FILL]), container)


def mounts_in_the_way():
    mount = json.dumps({"name": "\U0001f600" * 64, "mountPath": "/bsycorp-init/" + "x" * 200}, ensure_ascii=False)
    return filled(review(containers=[{"name": "web", "volumeMounts": [FILL]}]), mount)


def long_mount_path():
    annotations = {**ENTRY, "init.bsycorp.com/mount-path": "/" + "x" * 500}
    return filled(review(annotations, containers=[{"name": "web", "volumeMounts": [FILL]}]), '{"mountPath":"/y"}')


def long_parent_path():
    parent = {"name": "m", "mountPath": "/" + "./" * 700_000}
    return filled(review(containers=[{"name": "web", "volumeMounts": [parent, FILL]}]), '{"mountPath":"/"}')


def keys(count=3900):
    annotations = {}
    for n in range(count // 2):
        for field in ("public", "private"):
            annotations[f"secret.bsycorp.com/k{n}_{field}"] = "kind=DYNAMIC,type=RSA,size=2048"
    return review(annotations).encode()


def annotations():
    value = "x" * 64
    many = {f"secret.bsycorp.com/a{n}": value for n in range(1_048_576 // 90)}
    return review(many).encode()


def tiny_annotations():
    return filled(review({**ENTRY, "a": FILL}).replace(f'"a": "{FILL}"', FILL), '"b":""', quoted=False)


def missing_names():
    names = ",".join(f"{n:x}" for n in range(40_000))
    return review({**ENTRY, "init.bsycorp.com/containers": names}).encode()


def nested():
    depth = (BODY_LIMIT - 2000) // 2
    return review(x=FILL).replace(f'"{FILL}"', "[" * depth + "]" * depth).encode()


def nested_in_view():
    depth = (BODY_LIMIT - 2000) // 2
    return review(volumes=[{"name": "x", "emptyDir": FILL}]).replace(f'"{FILL}"', "[" * depth + "]" * depth).encode()


def duplicates():
    return filled(review({"secret.bsycorp.com/a": FILL}).replace(f'"secret.bsycorp.com/a": "{FILL}"', FILL),
                  '"secret.bsycorp.com/a":"kind=DYNAMIC"', quoted=False)


def wrong_type():
    """A long text where an object is expected; an error message that repeats it is longer still."""
    return filled(review(securityContext=FILL), "\u0080", "", quoted=False)


def wrong_value_of_a_long_key():
    """An error message that names the place repeats the key."""
    return filled(review({**ENTRY, FILL: 1}), "\u0080", "", quoted=False)


def long_names():
    fill = "n" * 700_000
    return review(serviceAccountName=fill).replace('"namespace": "team-a"', f'"namespace": "{fill}"').replace(
        "705ab4f5-6393-11e8-b7cc-42010a800002", "u" * 700_000).encode()


def long_response():
    """A short body with a long response: 3,900 containers get a mount."""
    containers = [{"name": f"c{n}"} for n in range(3900)]
    return review(containers=containers).encode()


# Name in the table, body.
BODIES = {
    "second call, `kees-init` with a million arguments": million_args,
    "second call, `kees-init` with a million variables": million_variables,
    "second call, volume `kees-podinfo` with a million sources": million_sources,
    "a million empty containers": million_containers,
    "4,096 mounts × 900,000 volumes": mounts_and_volumes,
    "a million empty mounts in 2,000 containers": many_mounts,
    "5,000 mounts below the mount path": mounts_in_the_way,
    "a long mount path × 160,000 mounts": long_mount_path,
    "a long path of one mount × 100,000 mounts": long_parent_path,
    "3,900 entries of type RSA": keys,
    "a megabyte of annotations": annotations,
    "400,000 annotations": tiny_annotations,
    "40,000 names of containers that are missing": missing_names,
    "1,500,000 nested arrays in an unknown field": nested,
    "1,500,000 nested arrays in a volume": nested_in_view,
    "80,000 duplicates of one annotation": duplicates,
    "a text of 3 MB where an object belongs": wrong_type,
    "an annotation whose key has 3 MB": wrong_value_of_a_long_key,
    "names of 700 KB": long_names,
    "3,900 containers": long_response,
}
