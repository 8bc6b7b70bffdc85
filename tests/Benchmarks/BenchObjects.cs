using System.Globalization;

namespace Bursar.Tests.Benchmarks;

/// <summary>Objects as clusters have them: a training pod with environment, volumes, probes and conditions is 8 to 9 KB of JSON.</summary>
internal static class BenchObjects
{
    public const string Product = "NVIDIA-H100-80GB-HBM3";

    public const string Budget =
        """{"apiVersion":"bursar.dev/v1alpha1","kind":"GpuBudget","metadata":{"name":"team"},"spec":{"limit":{"cost":"1000000"} } }""";

    /// <summary>The labels of a namespace, by which the ClusterGpuBudgets of its department and division select it.</summary>
    public static string TeamLabels(int department, int divisions) =>
        $$"""{"department":"department-{{department}}","division":"division-{{department % divisions}}"}""";

    /// <param name="level">The label's key, <c>department</c> or <c>division</c>.</param>
    /// <param name="number">The number in the label's value.</param>
    public static string ClusterBudget(string level, int number) =>
        $$"""{"apiVersion":"bursar.dev/v1alpha1","kind":"ClusterGpuBudget","metadata":{"name":"{{level}}-{{number}}"},"spec":{"limit":{"cost":"100000000"},"namespaceSelector":{"matchLabels":{"{{level}}":"{{level}}-{{number}}"} } } }""";

    public static string PodName(int job, int pod) => $"train-{job:D4}-{Hash(pod) % 0xFFFFF:x5}-{pod % 10}";

    public static string Node(int node) =>
        $$$"""
            {"apiVersion":"v1","kind":"Node","metadata":{"name":"{{{NodeName(
                node
            )}}}","labels":{"nvidia.com/gpu.product":"{{{Product}}}","kubernetes.io/hostname":"{{{NodeName(node)}}}"}},
            "status":{"capacity":{"cpu":"96","memory":"1Ti","pods":"110","nvidia.com/gpu":"8"},"allocatable":{"cpu":"95","memory":"1Ti","pods":"110","nvidia.com/gpu":"8"},
            "conditions":[{"type":"Ready","status":"True","reason":"KubeletReady","lastHeartbeatTime":"2026-01-01T00:00:00Z","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}
            """;

    public static string Job(int job, int pods) =>
        $$$"""
            {"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"train-{{{job:D4}}}","annotations":{"bursar.dev/expected-duration":"24h"}},
            "spec":{"parallelism":{{{pods}}},"completions":{{{pods}}},"backoffLimit":6,"template":{"metadata":{"labels":{"app":"train-{{{job:D4}}}"}},
            "spec":{"restartPolicy":"Never","containers":[{"name":"trainer","image":"registry.example.com/ml/trainer:2026.11","resources":{"limits":{"nvidia.com/gpu":"1"} } }]} } } }
            """;

    /// <summary>The pod as its Job makes it, already bound.</summary>
    public static string Pod(int job, int pod, int node, string jobUid) =>
        $$$"""
            {"apiVersion":"v1","kind":"Pod","metadata":{"name":"{{{PodName(
                job,
                pod
            )}}}","generateName":"train-{{{job:D4}}}-","labels":{"app":"train-{{{job:D4}}}","app.kubernetes.io/name":"trainer",
            "app.kubernetes.io/part-of":"research","app.kubernetes.io/managed-by":"pipelines","batch.kubernetes.io/job-name":"train-{{{job:D4}}}","batch.kubernetes.io/controller-uid":"{{{jobUid}}}",
            "job-name":"train-{{{job:D4}}}","controller-uid":"{{{jobUid}}}","team":"team-{{{job % 100}}}","cost-center":"cc-{{{job
                % 37}}}"},
            "annotations":{"cni.projectcalico.org/containerID":"{{{Digest(pod)}}}","cni.projectcalico.org/podIP":"{{{Ip(
                pod
            )}}}/32","cni.projectcalico.org/podIPs":"{{{Ip(pod)}}}/32",
            "prometheus.io/scrape":"true","prometheus.io/port":"9400","pipelines.example.com/run":"run-{{{Digest(job)[..20]}}}"},
            "ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":"train-{{{job:D4}}}","uid":"{{{jobUid}}}","controller":true,"blockOwnerDeletion":true}]},
            "spec":{"nodeName":"{{{NodeName(
                node
            )}}}","restartPolicy":"Never","terminationGracePeriodSeconds":60,"dnsPolicy":"ClusterFirst","serviceAccountName":"default","schedulerName":"default-scheduler",
            "securityContext":{"runAsUser":1000,"runAsGroup":1000,"fsGroup":1000},"nodeSelector":{"nvidia.com/gpu.product":"{{{Product}}}"},
            "tolerations":[{"key":"nvidia.com/gpu","operator":"Exists","effect":"NoSchedule"},{"key":"node.kubernetes.io/not-ready","operator":"Exists","effect":"NoExecute","tolerationSeconds":300},
            {"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}],
            "volumes":[{"name":"shm","emptyDir":{"medium":"Memory","sizeLimit":"64Gi"}},{"name":"config","configMap":{"name":"trainer-config","defaultMode":420}},
            {"name":"scratch","emptyDir":{}},{"name":"kube-api-access-{{{Digest(pod)[
                ..5
            ]}}}","projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},
            {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},{"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}]}}],
            "initContainers":[{"name":"fetch","image":"registry.example.com/ml/fetch:1.4","command":["/bin/fetch","--to","/scratch"],"resources":{"limits":{"cpu":"2","memory":"4Gi"},"requests":{"cpu":"2","memory":"4Gi"}},
            "volumeMounts":[{"name":"scratch","mountPath":"/scratch"}],"imagePullPolicy":"IfNotPresent"}],
            "containers":[{"name":"trainer","image":"registry.example.com/ml/trainer:2026.11","command":["torchrun"],"args":["--nnodes=10","--nproc-per-node=1","--rdzv-backend=c10d","train.py","--config=/etc/trainer/run.yaml","--resume"],
            "ports":[{"name":"metrics","containerPort":9400,"protocol":"TCP"}],
            "env":[{{{Environment(
                job
            )}}},{"name":"POD_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.name"} } },{"name":"NODE_NAME","valueFrom":{"fieldRef":{"apiVersion":"v1","fieldPath":"spec.nodeName"} } }],
            "resources":{"limits":{"cpu":"12","memory":"120Gi","nvidia.com/gpu":"1"},"requests":{"cpu":"12","memory":"120Gi","nvidia.com/gpu":"1"}},
            "volumeMounts":[{"name":"shm","mountPath":"/dev/shm"},{"name":"config","mountPath":"/etc/trainer","readOnly":true},{"name":"scratch","mountPath":"/scratch"},{"name":"kube-api-access-{{{Digest(
                pod
            )[..5]}}}","readOnly":true,"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount"}],
            "terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}]}}
            """;

    public static string PodStatus(int pod)
    {
        const string time = "2026-01-01T00:00:05Z";
        return $$$"""
            {"status":{"phase":"Running","qosClass":"Guaranteed","hostIP":"10.1.{{{pod / 250 % 250}}}.{{{pod % 250}}}","podIP":"{{{Ip(
                pod
            )}}}","podIPs":[{"ip":"{{{Ip(pod)}}}"}],"startTime":"{{{time}}}",
            "conditions":[{"type":"PodReadyToStartContainers","status":"True","lastProbeTime":null,"lastTransitionTime":"{{{time}}}"},{"type":"Initialized","status":"True","lastProbeTime":null,"lastTransitionTime":"{{{time}}}"},
            {"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"{{{time}}}"},{"type":"ContainersReady","status":"True","lastProbeTime":null,"lastTransitionTime":"{{{time}}}"},
            {"type":"PodScheduled","status":"True","lastProbeTime":null,"lastTransitionTime":"{{{time}}}"}],
            "initContainerStatuses":[{"name":"fetch","state":{"terminated":{"exitCode":0,"reason":"Completed","startedAt":"{{{time}}}","finishedAt":"{{{time}}}","containerID":"containerd://{{{Digest(
                pod + 1
            )}}}"}},
            "lastState":{},"ready":true,"restartCount":0,"started":false,"image":"registry.example.com/ml/fetch:1.4","imageID":"registry.example.com/ml/fetch@sha256:{{{Digest(
                7
            )}}}","containerID":"containerd://{{{Digest(pod + 1)}}}"}],
            "containerStatuses":[{"name":"trainer","state":{"running":{"startedAt":"{{{time}}}"}},"lastState":{},"ready":true,"restartCount":0,"started":true,"image":"registry.example.com/ml/trainer:2026.11",
            "imageID":"registry.example.com/ml/trainer@sha256:{{{Digest(8)}}}","containerID":"containerd://{{{Digest(pod + 2)}}}"}]}}
            """;
    }

    /// <summary>A kubelet's repeated write. Each round differs, because the same text would be no change.</summary>
    public static string PodBeat(int round) => $$$"""{"status":{"message":"beat {{{round}}}"}}""";

    private static string NodeName(int node) => $"gpu-node-{node:D4}";

    private static string Ip(int pod) =>
        string.Create(CultureInfo.InvariantCulture, $"10.{64 + pod / 62_500}.{pod / 250 % 250}.{pod % 250}");

    private static string Environment(int job)
    {
        string[] names = ["NCCL_DEBUG", "NCCL_SOCKET_IFNAME", "OMP_NUM_THREADS", "WANDB_RUN_ID", "CHECKPOINT_ROOT"];
        return string.Join(
            ',',
            names.Select(name => $$"""{"name":"{{name}}","value":"{{name.ToLowerInvariant().Replace('_', '-')}}-of-run-{{job}}"}""")
        );
    }

    private static uint Hash(int value) => unchecked((uint)value * 2654435761u);

    private static string Digest(int seed) =>
        string.Concat(Enumerable.Range(1, 8).Select(i => Hash(seed * 8 + i).ToString("x8", CultureInfo.InvariantCulture)));
}
