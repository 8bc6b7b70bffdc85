{{- define "bursar.image" -}}
{{- include "bursar.repository" . -}}
{{- if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* image.digest is the digest of the operator's image, so the agent needs its own. */ -}}
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

{{/* The operator's rights in the whole cluster. `make generate` writes files/rbac.yaml. */}}
{{- define "bursar.clusterRules" -}}
{{- $rules := .Files.Get "files/rbac.yaml" | fromYaml }}
{{- range $rules.cluster }}
{{- /* Only the webhook's configuration has a name here. */}}
{{- if .resourceNames }}{{ $_ := set . "resourceNames" (list (include "bursar.fullname" $)) }}{{ end }}
{{- end }}
{{- toYaml $rules.cluster }}
{{- range concat .Values.operator.kinds .Values.operator.managers }}
{{ toYaml (index $rules.options .) }}
{{- end }}
{{- end }}

{{/* Labels and annotations of the hook that resumes everything after an uninstall. The annotations take the weight of the hook. */}}
{{- define "bursar.releaseLabels" -}}
app.kubernetes.io/name: {{ include "bursar.name" . }}-release
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

{{- define "bursar.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (include "bursar.fullname" .) }}
{{- end }}

{{/*
The label app.kubernetes.io/name, and the start of the names of the chart's objects. A cluster has one installation, so the release's name is in
neither. Objects that the programs create have fixed names (docs/decisions/0022-object-names.md).
*/}}
{{- define "bursar.name" -}}
{{ .Values.nameOverride | default "bursar" }}
{{- end }}

{{- define "bursar.fullname" -}}
{{ .Values.fullnameOverride | default (include "bursar.name" .) }}
{{- end }}

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
app.kubernetes.io/name: {{ include "bursar.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "bursar.agentSelector" -}}
app.kubernetes.io/name: {{ include "bursar.name" . }}-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Required by the `restricted` Pod Security Standard of the operator's namespace. */}}
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
Kinds that the policies in guard.yaml cover, one per line: each kind that Bursar can suspend, and each object through which it asks a manager to.
- `suspended` is a CEL expression on `self`, true if the field that Bursar writes suspends the object. It tests each step with has(), because a
  policy that fails admits the write.
- `markedBy` is how a policy knows that Bursar suspended the object. `annotation`: by bursar.dev/suspended-by. `status`: by the list in the budget's
  status, for kinds that Bursar writes only through the scale subresource and therefore cannot annotate.
- `classFrom`, for kinds that are training by default, lists the objects from which the operator reads `bursar.dev/class`: the first that has it
  counts. `bursar.dev/resume` is read from the first of the list only.
*/}}
{{- define "bursar.guardedWorkloads" -}}
- {group: batch, version: v1, resource: jobs, kind: Job, markedBy: annotation, classFrom: [self, self.spec.template], suspended: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: jobset.x-k8s.io, version: v1alpha2, resource: jobsets, kind: JobSet, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: trainer.kubeflow.org, version: v1alpha1, resource: trainjobs, kind: TrainJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: kubeflow.org, version: v1, resource: pytorchjobs, kind: PyTorchJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: tfjobs, kind: TFJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: xgboostjobs, kind: XGBoostJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: paddlejobs, kind: PaddleJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v1, resource: jaxjobs, kind: JAXJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: kubeflow.org, version: v2beta1, resource: mpijobs, kind: MPIJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.runPolicy) && has(self.spec.runPolicy.suspend) && self.spec.runPolicy.suspend"}
- {group: ray.io, version: v1, resource: rayjobs, kind: RayJob, markedBy: annotation, classFrom: [self], suspended: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
- {group: apps, version: v1, resource: deployments, kind: Deployment, markedBy: status, suspended: "!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas == 0"}
- {group: serving.kserve.io, version: v1beta1, resource: inferenceservices, kind: InferenceService, markedBy: annotation, suspended: "has(self.metadata.annotations) && 'serving.kserve.io/stop' in self.metadata.annotations && self.metadata.annotations['serving.kserve.io/stop'] == 'true'"}
- {group: kubeflow.org, version: v1, resource: notebooks, kind: Notebook, markedBy: annotation, suspended: "has(self.metadata.annotations) && 'kubeflow-resource-stopped' in self.metadata.annotations"}
- {group: kueue.x-k8s.io, version: v1beta2, resource: workloads, kind: Workload, markedBy: annotation, suspended: "has(self.spec) && has(self.spec.active) && !self.spec.active"}
- {group: keda.sh, version: v1alpha1, resource: scaledobjects, kind: ScaledObject, markedBy: annotation, suspended: "has(self.metadata.annotations) && 'autoscaling.keda.sh/paused-replicas' in self.metadata.annotations && self.metadata.annotations['autoscaling.keda.sh/paused-replicas'] == '0'"}
- {group: apps, version: v1, resource: statefulsets, kind: StatefulSet, markedBy: status, suspended: "!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas == 0"}
- {group: leaderworkerset.x-k8s.io, version: v1, resource: leaderworkersets, kind: LeaderWorkerSet, markedBy: status, suspended: "!has(self.spec) || !has(self.spec.replicas) || self.spec.replicas == 0"}
- {group: batch, version: v1, resource: cronjobs, kind: CronJob, markedBy: annotation, classFrom: [self.spec.jobTemplate, self.spec.jobTemplate.spec.template], suspended: "has(self.spec) && has(self.spec.suspend) && self.spec.suspend"}
{{- end }}

{{/* CEL: the annotations of an object, or an empty map. */}}
{{- define "bursar.guardAnnotationsOf" -}}
(has({{ . }}.metadata) && has({{ . }}.metadata.annotations) ? {{ . }}.metadata.annotations : {})
{{- end }}

{{/* CEL: true if bursar.dev/class declares that the object is not training. Takes the list `classFrom`; the first object with the annotation counts. */}}
{{- define "bursar.guardNotTraining" -}}
{{- range . }}{{ $annotations := include "bursar.guardAnnotationsOf" . }}'bursar.dev/class' in {{ $annotations }} ? {{ $annotations }}['bursar.dev/class'] in ['inference', 'interactive'] : {{ end }}false
{{- end }}

{{/* The annotations that only Bursar writes, and the fields of a budget that decide what it limits. */}}
{{- define "bursar.guardedAnnotations" -}}
[bursar.dev/suspended-by, bursar.dev/suspended-reason, bursar.dev/checkpoint-requested]
{{- end }}
{{- define "bursar.guardedFields" -}}
[spec.limit, spec.limits, spec.perLabel, spec.topUps, spec.rollover, spec.borrowing, spec.lending, spec.autoApprove, spec.window, spec.mode, spec.selector, spec.exempt, metadata.ownerReferences]
{{- end }}

{{/*
Kinds of budgets, one per line. `fields` are guarded in addition to bursar.guardedFields. `scalePolicy` ends the name of the policy that protects
what a budget of this kind has scaled to zero.
*/}}
{{- define "bursar.guardedBudgets" -}}
- {kind: GpuBudget, resource: gpubudgets, cluster: false, fields: [], policy: {{ include "bursar.fullname" . }}-guard-budgets, scalePolicy: scale}
- {kind: ClusterGpuBudget, resource: clustergpubudgets, cluster: true, fields: [spec.namespaces, spec.namespaceSelector], policy: {{ include "bursar.fullname" . }}-guard-cluster-budgets, scalePolicy: cluster-scale}
{{- end }}

{{/*
Requests that the policies never deny: those of the operator and of the cluster's own controllers, which delete namespaces and collect garbage. The
conditions use only the request's user, so that they cannot fail.
*/}}
{{- define "bursar.guardExemptions" -}}
- name: not-by-bursar
  expression: "!(request.userInfo.username in ['system:serviceaccount:{{ .Release.Namespace }}:{{ include "bursar.serviceAccount" . }}', 'system:serviceaccount:{{ .Release.Namespace }}:{{ include "bursar.fullname" . }}-release'])"
- name: not-by-cluster-controllers
  expression: >-
    request.userInfo.username != 'system:kube-controller-manager' &&
    !(has(request.userInfo.groups) && 'system:serviceaccounts:kube-system' in request.userInfo.groups)
{{- end }}

{{/* The end of each message: how to check the right and how to get it. */}}
{{- define "bursar.guardAdvice" -}}
' in namespace ' + request.namespace + ' (try: kubectl auth can-i override gpubudgets.bursar.dev -n ' + request.namespace + '). A cluster administrator can grant it with a RoleBinding to the ClusterRole {{ include "bursar.fullname" . }}-override.'
{{- end }}

{{/* The same for a ClusterGpuBudget. */}}
{{- define "bursar.guardClusterAdvice" -}}
' (try: kubectl auth can-i override clustergpubudgets.bursar.dev). A cluster administrator can grant it with a ClusterRoleBinding to the ClusterRole {{ include "bursar.fullname" . }}-override.'
{{- end }}

{{/* A binding for the whole scope of a policy. Takes `root`, the policy's `name`, and `budgets`: true if budgets are its parameters. */}}
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
    # Every budget of the request's namespace, or every ClusterGpuBudget. Without a budget, nothing is suspended.
    selector: {}
    parameterNotFoundAction: Allow
  {{- end }}
{{- end }}
