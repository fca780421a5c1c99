"""The section about volumes of SecretProviderClass objects."""


def section(starts, at_once, calls, message):
    """The lines of the page: rows of the test `starts_take_as_long_as_an_init_container_and_two_calls`, the calls of a pod, and the
    seconds of `a_denied_secret_names_itself_its_region_and_the_action`."""
    return [
        "## SecretProviderClass", "",
        "Pods with a [class](secret-provider-class.md) of ten secrets in moto, beside the same pods with a volume in memory alone, on the cluster",
        "of the tests: seven pods of each kind in turn, and fifty pods of a Deployment at once, from `kubectl apply` to Ready.", "",
        "| one pod | median | shortest | longest |", "| --- | ---: | ---: | ---: |", *starts, "",
        "| fifty pods at once | median | last |", "| --- | ---: | ---: |", *at_once, "",
        f"The calls of one pod: {calls}. From `kubectl apply` of a pod whose role may not read a secret to the message",
        f"in `kubectl describe pod`: {message}.", "",
        "The driver and the provider were measured on such a machine: one pod 788 ms where a plain pod took 187 ms; fifty at once 29.7 s (16 s with",
        "higher limits of its client) where a memory volume alone took 8.8 s; 11 calls for ten secrets; 76 to 97 MB on each node; a",
        "denied secret without its reason; no message for 121 s if the provider does not run. So a single pod is slower with kees, by about half a",
        "second: the kubelet takes about a second between the end of an init container and the start of the next container. Fifty pods at once are",
        "faster.", "",
    ]
