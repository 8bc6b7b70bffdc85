{{/*
How the API server tells cheaply, in CEL, that new work of a kind asks for GPUs: one line a kind whose pods stand in its own object, with `{}`
for each pod template, written in full by bursar.asksForGpus. A kind without a line is always asked about: the operator decides finally.
*/}}
{{- define "bursar.gpuWork" -}}
Job: "{object.spec.template}"
JobSet: "has(object.spec.replicatedJobs) && object.spec.replicatedJobs.exists(j, {j.template.spec.template})"
PyTorchJob: "has(object.spec.pytorchReplicaSpecs) && object.spec.pytorchReplicaSpecs.exists(k, {object.spec.pytorchReplicaSpecs[k].template})"
TFJob: "has(object.spec.tfReplicaSpecs) && object.spec.tfReplicaSpecs.exists(k, {object.spec.tfReplicaSpecs[k].template})"
XGBoostJob: "has(object.spec.xgbReplicaSpecs) && object.spec.xgbReplicaSpecs.exists(k, {object.spec.xgbReplicaSpecs[k].template})"
PaddleJob: "has(object.spec.paddleReplicaSpecs) && object.spec.paddleReplicaSpecs.exists(k, {object.spec.paddleReplicaSpecs[k].template})"
JAXJob: "has(object.spec.jaxReplicaSpecs) && object.spec.jaxReplicaSpecs.exists(k, {object.spec.jaxReplicaSpecs[k].template})"
MPIJob: "has(object.spec.mpiReplicaSpecs) && object.spec.mpiReplicaSpecs.exists(k, {object.spec.mpiReplicaSpecs[k].template})"
{{- end }}

{{/*
The condition of one line: a container that asks for an extended resource, a claim on devices, or the scheduler's annotation for a part of a GPU. Which
resources are GPUs depends on the values and on the cluster's DeviceClasses, so only the operator's table says it.
*/}}
{{- define "bursar.asksForGpus" -}}
{{- $resource := "r.contains('/')" }}
{{- $asks := printf "has(c.resources) && ((has(c.resources.limits) && c.resources.limits.exists(r, %s)) || (has(c.resources.requests) && c.resources.requests.exists(r, %s)))" $resource $resource }}
{{- $template := printf "((has(${1}.spec) && ((has(${1}.spec.containers) && ${1}.spec.containers.exists(c, %s)) || (has(${1}.spec.initContainers) && ${1}.spec.initContainers.exists(c, %s)) || has(${1}.spec.resourceClaims))) || (has(${1}.metadata) && has(${1}.metadata.annotations) && ('gpu-fraction' in ${1}.metadata.annotations || 'gpu-memory' in ${1}.metadata.annotations)))" $asks $asks }}
{{- regexReplaceAll "[{]([^}]*)[}]" . $template }}
{{- end }}
