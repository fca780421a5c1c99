// Peer is a mutating webhook that is written in the usual way: it decodes the whole pod, changes the Go types, and
// compares the JSON of both versions to find the patch. It makes the changes that kees-webhook makes to one pod, but
// checks nothing. run.py starts it to compare the cost of a request.
package main

import (
	"context"
	"encoding/json"
	"log"
	"net/http"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

type injector struct {
	decoder admission.Decoder
}

func (i injector) Handle(_ context.Context, request admission.Request) admission.Response {
	pod := &corev1.Pod{}
	if err := i.decoder.Decode(request, pod); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	inject(pod)
	changed, err := json.Marshal(pod)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	return admission.PatchResponseFromRaw(request.Object.Raw, changed)
}

func inject(pod *corev1.Pod) {
	secrets := corev1.Volume{Name: "kees-secrets", VolumeSource: corev1.VolumeSource{
		EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory},
	}}
	annotations := corev1.Volume{Name: "kees-annotations", VolumeSource: corev1.VolumeSource{
		DownwardAPI: &corev1.DownwardAPIVolumeSource{Items: []corev1.DownwardAPIVolumeFile{{
			Path:     "annotations",
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.annotations"},
		}}},
	}}
	pod.Spec.Volumes = append(pod.Spec.Volumes, secrets, annotations)
	mount := corev1.VolumeMount{Name: "kees-secrets", MountPath: "/bsycorp-init"}
	for index := range pod.Spec.Containers {
		container := &pod.Spec.Containers[index]
		container.VolumeMounts = append(container.VolumeMounts, mount)
	}
	init := corev1.Container{
		Name:  "kees-init",
		Image: "registry.example.com/kees-init:0.1.0",
		Env:   []corev1.EnvVar{{Name: "ENV_LABEL", Value: "bench"}},
		VolumeMounts: []corev1.VolumeMount{
			mount,
			{Name: "kees-annotations", MountPath: "/podinfo", ReadOnly: true},
		},
	}
	pod.Spec.InitContainers = append([]corev1.Container{init}, pod.Spec.InitContainers...)
}

func main() {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		log.Fatal(err)
	}
	handler := &admission.Webhook{Handler: injector{decoder: admission.NewDecoder(scheme)}}
	http.Handle("/mutate", handler)
	address, certificate, key := os.Args[1], os.Args[2], os.Args[3]
	log.Fatal(http.ListenAndServeTLS(address, certificate, key, nil))
}
