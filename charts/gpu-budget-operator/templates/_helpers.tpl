{{/* The images. */}}
{{- define "bursar.image" -}}
{{- $repository := required "image.repository is required: the operator's image without a tag, for example --set image.repository=ghcr.io/example/bursar" .Values.image.repository -}}
{{ $repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "bursar.agentImage" -}}
{{- if .Values.agent.image.repository -}}
{{ .Values.agent.image.repository }}
{{- else -}}
{{- $repository := required "image.repository is required: the operator's image without a tag, for example --set image.repository=ghcr.io/example/bursar" .Values.image.repository -}}
{{ $repository }}-agent
{{- end -}}
:{{ .Values.agent.image.tag | default .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "bursar.agentNamespace" -}}
{{- if eq .Values.agent.namespace .Release.Namespace -}}
{{- fail (printf "agent.namespace must not be the release's own namespace (%s): the operator's is restricted, the agents' privileged" .Release.Namespace) -}}
{{- end -}}
{{ .Values.agent.namespace }}
{{- end }}

{{/* Labels. One installation a cluster: names are fixed, and the operator finds its agents by app.kubernetes.io/name. */}}
{{- define "bursar.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: bursar
{{- end }}

{{- define "bursar.operatorSelector" -}}
app.kubernetes.io/name: bursar
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bursar.agentSelector" -}}
app.kubernetes.io/name: bursar-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What the restricted pod security asks of every container of the operator's namespace. */}}
{{- define "bursar.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "bursar.restrictedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}
