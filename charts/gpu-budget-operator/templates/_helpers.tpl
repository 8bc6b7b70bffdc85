{{/* The images. */}}
{{- define "bursar.image" -}}
{{- include "bursar.repository" . -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* A digest names one image: the operator's is not the agent's, so image.digest says nothing about the agent. */ -}}
{{- define "bursar.agentImage" -}}
{{- if .Values.agent.image.repository -}}
{{ .Values.agent.image.repository }}
{{- else -}}
{{- include "bursar.repository" . -}}-agent
{{- end -}}
{{- if .Values.agent.image.digest }}@{{ .Values.agent.image.digest }}{{ else }}:{{ .Values.agent.image.tag | default .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "bursar.repository" -}}
{{- required "image.repository is required: the operator's image without a tag, for example --set image.repository=ghcr.io/example/bursar" .Values.image.repository -}}
{{- end }}

{{/* The rights of the operator in the whole cluster; files/rbac.yaml is generated (make generate). */}}
{{- define "bursar.clusterRules" -}}
{{- $rules := .Files.Get "files/rbac.yaml" | fromYaml }}
{{- toYaml $rules.cluster }}
{{- range concat .Values.operator.kinds .Values.operator.managers }}
{{ toYaml (index $rules.options .) }}
{{- end }}
{{- end }}

{{/* The hook that resumes everything when the release is gone: labels, and the annotations of an object of this weight. */}}
{{- define "bursar.releaseLabels" -}}
app.kubernetes.io/name: bursar-release
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "bursar.labels" . }}
{{- end }}
{{- define "bursar.releaseHook" -}}
helm.sh/hook: post-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end }}

{{- define "bursar.agentNamespace" -}}
{{- if eq .Values.agent.namespace .Release.Namespace -}}
{{- fail (printf "agent.namespace must not be the release's own namespace (%s): the operator's is restricted, the agents' privileged" .Release.Namespace) -}}
{{- end -}}
{{ .Values.agent.namespace }}
{{- end }}

{{/* The operator's ServiceAccount. */}}
{{- define "bursar.serviceAccount" -}}
{{ .Values.serviceAccount.name | default "bursar" }}
{{- end }}

{{/* Labels. One installation a cluster: names are fixed, and the operator finds its agents by app.kubernetes.io/name. */}}
{{- define "bursar.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: bursar
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
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

{{/*
The kinds of work that the guard watches: one line a kind that Bursar can park, and one for each object by which it tells a manager to. `stopped` says in CEL, of the object `self`, that it
stands still by the very field that Bursar writes; every step of the way is tested by has(), because an expression that errs lets the write
pass. `parked` says how a policy can know that it was Bursar who stopped it: by its mark on
the object (mark), or by the list in the budget's status (status), for kinds that Bursar writes through the scale subresource only,
where it leaves no mark. `trains`, for kinds that are training unless an annotation says otherwise, names what the operator reads
`bursar.dev/class` and `bursar.dev/resume` from: the class from the first that has it, the approval from the first alone.
*/}}
{{- define "bursar.guardedWork" -}}
- {group: batch, version: v1, resource: jobs, kind: Job, parked: mark, trains: [self, self.spec.template], stopped: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: jobset.x-k8s.io, version: v1alpha2, resource: jobsets, kind: JobSet, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: trainer.kubeflow.org, version: v1alpha1, resource: trainjobs, kind: TrainJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: kubeflow.org, version: v1, resource: pytorchjobs, kind: PyTorchJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: tfjobs, kind: TFJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: xgboostjobs, kind: XGBoostJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: paddlejobs, kind: PaddleJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: jaxjobs, kind: JAXJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v2beta1, resource: mpijobs, kind: MPIJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: ray.io, version: v1, resource: rayjobs, kind: RayJob, parked: mark, trains: [self], stopped: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: apps, version: v1, resource: deployments, kind: Deployment, parked: status, stopped: "!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas == 0"}
- {group: serving.kserve.io, version: v1beta1, resource: inferenceservices, kind: InferenceService, parked: mark, stopped: "has(self.metadata.annotations) && 'serving.kserve.io/stop' in self.metadata.annotations && self.metadata.annotations['serving.kserve.io/stop'] == 'true'"}
- {group: kueue.x-k8s.io, version: v1beta2, resource: workloads, kind: Workload, parked: mark, stopped: "has(self.spec) && has(self.spec.active) && !self.spec.active"}
- {group: keda.sh, version: v1alpha1, resource: scaledobjects, kind: ScaledObject, parked: mark, stopped: "has(self.metadata.annotations) && 'autoscaling.keda.sh/paused-replicas' in self.metadata.annotations && self.metadata.annotations['autoscaling.keda.sh/paused-replicas'] == '0'"}
- {group: apps, version: v1, resource: statefulsets, kind: StatefulSet, parked: status, stopped: "!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas == 0"}
- {group: leaderworkerset.x-k8s.io, version: v1, resource: leaderworkersets, kind: LeaderWorkerSet, parked: status, stopped: "!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas == 0"}
- {group: batch, version: v1, resource: cronjobs, kind: CronJob, parked: mark, trains: [self.spec.jobTemplate, self.spec.jobTemplate.spec.template], stopped: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
{{- end }}

{{/* The annotations of an object that may have none, in CEL. */}}
{{- define "bursar.guardAnnotationsOf" -}}
(has({{ . }}.metadata) && has({{ . }}.metadata.annotations) ? {{ . }}.metadata.annotations : {})
{{- end }}

{{/* In CEL, whether the object says that it does not train: the annotation of the first that has one counts. Takes the list `trains`. */}}
{{- define "bursar.guardEscapes" -}}
{{- range . }}{{ $annotations := include "bursar.guardAnnotationsOf" . }}'bursar.dev/class' in {{ $annotations }} ? {{ $annotations }}['bursar.dev/class'] in ['inference', 'interactive'] : {{ end }}false
{{- end }}

{{/* The annotations that are Bursar's own, and the fields of a budget's spec that say what it holds. */}}
{{- define "bursar.guardedAnnotations" -}}
[bursar.dev/suspended-by, bursar.dev/suspended-reason, bursar.dev/checkpoint-requested]
{{- end }}
{{- define "bursar.guardedFields" -}}
[spec.limit, spec.topUps, spec.window, spec.mode, spec.selector, spec.exempt, metadata.ownerReferences]
{{- end }}

{{/*
Whom the guard lets pass before it looks at anything: the operator, and the cluster's own controllers, without which namespaces would
not empty and owners not be collected. Users alone are asked for, so that this cannot err and nothing of theirs ever hangs.
*/}}
{{- define "bursar.guardPasses" -}}
- name: not-by-bursar
  expression: "!(request.userInfo.username in ['system:serviceaccount:{{ .Release.Namespace }}:{{ include "bursar.serviceAccount" . }}', 'system:serviceaccount:{{ .Release.Namespace }}:bursar-release'])"
- name: not-by-the-clusters-controllers
  expression: >-
    request.userInfo.username != 'system:kube-controller-manager' &&
    !(has(request.userInfo.groups) && 'system:serviceaccounts:kube-system' in request.userInfo.groups)
{{- end }}

{{/* What the messages end with: who may do it, and what to ask for. */}}
{{- define "bursar.guardAdvice" -}}
' in namespace ' + request.namespace + ' (try: kubectl auth can-i override gpubudgets.bursar.dev -n ' + request.namespace + '). Whoever runs the cluster gives it by a RoleBinding to the ClusterRole bursar-override.'
{{- end }}

{{/* A binding without a scope of its own: the policy says all. Takes the list of the root and the policy's name, and whether budgets are its parameters. */}}
{{- define "bursar.guardBinding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "bursar.operatorSelector" .root | nindent 4 }}
    {{- include "bursar.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
  {{- if .budgets }}
  paramRef:
    # Each budget of the request's namespace; where there is none, nothing is parked.
    selector: {}
    parameterNotFoundAction: Allow
  {{- end }}
{{- end }}
