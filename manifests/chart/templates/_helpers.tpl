{{/* The name of the objects that belong to the webhook's pods. */}}
{{- define "kees.webhook" -}}
{{ .Values.name }}-webhook
{{- end }}

{{/* The Secret of the webhook's certificate. */}}
{{- define "kees.tlsSecret" -}}
{{ .Values.certificates.files.secretName | default (printf "%s-webhook-tls" .Values.name) }}
{{- end }}

{{- define "kees.selectorLabels" -}}
app.kubernetes.io/name: {{ .Values.name }}
app.kubernetes.io/component: webhook
{{- end }}

{{- define "kees.labels" -}}
{{ include "kees.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/instance: {{ .Release.Name }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* A reference to an image: the argument is (list IMAGE ROOT). */}}
{{- define "kees.image" -}}
{{- $image := index . 0 }}{{ $root := index . 1 -}}
{{ $image.repository }}
{{- if or $image.tag (not $image.digest) }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The port of an address such as 0.0.0.0:8443. */}}
{{- define "kees.port" -}}
{{ regexFind "[0-9]+$" . }}
{{- end }}

{{/* A CEL condition that an annotation asks for a value. The argument is (list QUOTE ROOT). */}}
{{- define "kees.entries" -}}
{{- $quote := index . 0 }}{{ $domain := (index . 1).Values.annotationDomain -}}
k.startsWith({{ $quote }}secret.{{ $domain }}/{{ $quote }}) || k.startsWith({{ $quote }}resource.{{ $domain }}/{{ $quote }}) || k.startsWith({{ $quote }}lease.{{ $domain }}/{{ $quote }})
{{- end }}

{{/* A value as an environment variable: a list by comma, variables one on each line, a number without an exponent. */}}
{{- define "kees.variable" -}}
{{- if kindIs "slice" . }}{{ join "," . }}
{{- else if kindIs "map" . }}{{ range $name, $value := . }}{{ $name }}={{ $value }}{{ "\n" }}{{ end }}
{{- else if and (kindIs "float64" .) (eq . (floor .)) }}{{ int64 . }}
{{- else }}{{ . }}{{ end }}
{{- end }}

{{/* The flags of kees-webhook, as environment variables. */}}
{{- define "kees.settings" -}}
ANNOTATION_DOMAIN: {{ .Values.annotationDomain | quote }}
INIT_IMAGE: {{ include "kees.image" (list .Values.initImage .) | quote }}
{{- with .Values.initImage.pullPolicy }}
IMAGE_PULL_POLICY: {{ . }}
{{- end }}
{{- if ne .Values.name "kees" }}
SERVICE_NAME: {{ include "kees.webhook" . }}
{{- end }}
{{- if eq .Values.certificates.source "own" }}
{{- if ne .Values.name "kees" }}
TLS_SECRET: {{ include "kees.tlsSecret" . }}
WEBHOOK_CONFIGURATION: {{ .Values.name }}
{{- end }}
{{- with .Values.certificates.own.lifetime }}
CERTIFICATE_LIFETIME: {{ include "kees.variable" . | quote }}
{{- end }}
{{- with .Values.certificates.own.caLifetime }}
CA_LIFETIME: {{ include "kees.variable" . | quote }}
{{- end }}
{{- end }}
{{- if .Values.secretProviderClasses.enabled }}
SECRET_PROVIDER_CLASSES: "true"
{{- end }}
{{- if include "kees.secretSync" . }}
SECRET_SYNC: "true"
{{- end }}
{{- range $key, $value := .Values.settings }}
{{- if not (kindIs "invalid" $value) }}
{{ regexReplaceAll "([A-Z])" $key "_${1}" | upper }}: {{ include "kees.variable" $value | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Not empty if the controller writes Kubernetes Secrets. */}}
{{- define "kees.secretSync" -}}
{{- if and .Values.controller.enabled .Values.controller.secretSync.enabled }}true{{ end }}
{{- end }}

{{/* Not empty if the webhook calls the API server, and so needs a token. */}}
{{- define "kees.callsKubernetes" -}}
{{- if or (eq .Values.certificates.source "own") .Values.secretProviderClasses.enabled (include "kees.secretSync" .) }}true{{ end }}
{{- end }}

{{/* Not empty if a rule of the policy denies pods that opt out. The API server must then send these pods. */}}
{{- define "kees.deniesOptOut" -}}
{{- range .Values.policy.rules }}{{ if eq (toString .optOut) "false" }}true{{ end }}{{ end }}
{{- end }}
