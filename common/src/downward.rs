//! The downward-API file, as the kubelet writes a pod's annotations.
