{{/*
CEL: whether a new workload requests GPUs, one line for each kind that contains its pod templates. `{}` around a template is expanded by
bursar.requestsGpus. Workloads of other kinds are always sent to the webhook; the operator decides.
*/}}
{{- define "bursar.gpuWorkloads" -}}
Job: "{object.spec.template}"
JobSet: "has(object.spec.replicatedJobs) && object.spec.replicatedJobs.exists(j, {j.template.spec.template})"
PyTorchJob: "has(object.spec.pytorchReplicaSpecs) && object.spec.pytorchReplicaSpecs.exists(k, {object.spec.pytorchReplicaSpecs[k].template})"
TFJob: "has(object.spec.tfReplicaSpecs) && object.spec.tfReplicaSpecs.exists(k, {object.spec.tfReplicaSpecs[k].template})"
XGBoostJob: "has(object.spec.xgbReplicaSpecs) && object.spec.xgbReplicaSpecs.exists(k, {object.spec.xgbReplicaSpecs[k].template})"
PaddleJob: "has(object.spec.paddleReplicaSpecs) && object.spec.paddleReplicaSpecs.exists(k, {object.spec.paddleReplicaSpecs[k].template})"
JAXJob: "has(object.spec.jaxReplicaSpecs) && object.spec.jaxReplicaSpecs.exists(k, {object.spec.jaxReplicaSpecs[k].template})"
MPIJob: "has(object.spec.mpiReplicaSpecs) && object.spec.mpiReplicaSpecs.exists(k, {object.spec.mpiReplicaSpecs[k].template})"
Deployment: "{object.spec.template}"
StatefulSet: "{object.spec.template}"
CronJob: "{object.spec.jobTemplate.spec.template}"
Pod: "{object}"
{{- end }}

{{/* The kinds whose objects are labelled with their creator, as in bursar.guardedWorkloads. Managers have the workload's creator on the workload. */}}
{{- define "bursar.hasCreator" -}}
{{- if and .root.Values.admission.enabled .root.Values.admission.creatorLabel (or (has .kind .root.Values.operator.kinds) (eq .kind "CronJob")) }}true{{ end }}
{{- end }}

{{/* CEL: whether an object belongs to a controller other than a CronJob. Takes the name of the object. */}}
{{- define "bursar.isOwned" -}}
has({{ . }}.metadata.ownerReferences) && {{ . }}.metadata.ownerReferences.exists(o, has(o.controller) && o.controller && o.kind != 'CronJob')
{{- end }}

{{/* How the API server reaches a path of the webhook. Takes `root` and `path`. The URL in the values has the path /admit. */}}
{{- define "bursar.webhookClient" -}}
{{- if .root.Values.admission.url -}}
url: {{ if eq .path "/admit" }}{{ .root.Values.admission.url }}{{ else }}{{ trimSuffix "/admit" .root.Values.admission.url }}{{ .path }}{{ end }}
{{- else -}}
service: {name: {{ include "bursar.fullname" .root }}-webhook, namespace: {{ .root.Release.Namespace }}, port: 443, path: {{ .path }}}
{{- end }}
{{- end }}

{{/* The namespaces that no webhook handles. */}}
{{- define "bursar.webhookExcludes" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values: [{{ .Release.Namespace }}, {{ if .Values.agent.enabled }}{{ include "bursar.agentNamespace" . }}, {{ end }}kube-system, kube-public, kube-node-lease]
{{- end }}

{{/*
Expands a line of bursar.gpuWorkloads: a container requests any extended resource, the pod has a resource claim, or an annotation requests a part of
a GPU. Only the operator knows which resources are GPUs, because that depends on its options and the cluster's DeviceClasses.
*/}}
{{- define "bursar.requestsGpus" -}}
{{- $resource := "r.contains('/')" }}
{{- $requests := printf "has(c.resources) && ((has(c.resources.limits) && c.resources.limits.exists(r, %s)) || (has(c.resources.requests) && c.resources.requests.exists(r, %s)))" $resource $resource }}
{{- $template := printf "((has(${1}.spec) && ((has(${1}.spec.containers) && ${1}.spec.containers.exists(c, %s)) || (has(${1}.spec.initContainers) && ${1}.spec.initContainers.exists(c, %s)) || has(${1}.spec.resourceClaims))) || (has(${1}.metadata) && has(${1}.metadata.annotations) && ('gpu-fraction' in ${1}.metadata.annotations || 'gpu-memory' in ${1}.metadata.annotations)))" $requests $requests }}
{{- regexReplaceAll "[{]([^}]*)[}]" . $template }}
{{- end }}
