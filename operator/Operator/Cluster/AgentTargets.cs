using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// What an agent is told of its node's pods: who they are, where they are, and where they show their metrics. A port is
/// scraped only where the pod names it: by annotation (Bursar's, else the one that Prometheus's and KServe's users set), or,
/// for serving pods, as the usual port of a model server.
/// </summary>
internal static class AgentTargets
{
    /// <summary>On the pod (or its template): the port whose metrics tell of tokens or of progress.</summary>
    public const string PortAnnotation = "bursar.dev/metrics-port";

    /// <summary>The path there; <c>/metrics</c> unless set.</summary>
    public const string PathAnnotation = "bursar.dev/metrics-path";

    /// <summary>How often the page of a pod under a scaler is read.</summary>
    private const int ScaledSeconds = 1;

    private const string DefaultPath = "/metrics";

    private static readonly (string Port, string Path)[] Annotations =
    [
        (PortAnnotation, PathAnnotation),
        ("prometheus.io/port", "prometheus.io/path"),
        ("prometheus.kserve.io/port", "prometheus.kserve.io/path"),
    ];

    private static readonly string[] ServingPortNames = ["metrics", "http-metrics", "http"];

    /// <summary>Triton's port for metrics; vLLM, NIM, LMDeploy and Dynamo; SGLang; llama.cpp and Ray Serve.</summary>
    private static readonly int[] ServingPorts = [8002, 8000, 30000, 8080];

    /// <param name="pods">The pods bound to the node that hold GPUs.</param>
    /// <param name="classOf">The class of a pod's work; null while its owners are not known, then it is not scraped yet.</param>
    /// <param name="checkpointOf">The checkpoint that is wanted of a pod's work.</param>
    /// <param name="isScaled">Whether something scales by what the pod shows: it is then read every second.</param>
    public static TargetList Of(
        IReadOnlyList<V1Pod> pods,
        Func<V1Pod, WorkloadClass?> classOf,
        Func<V1Pod, CheckpointWanted?>? checkpointOf = null,
        Func<V1Pod, bool>? isScaled = null
    )
    {
        TargetPod[] targets =
        [
            .. pods.Select(pod => new TargetPod
            {
                Uid = pod.Metadata.Uid,
                Namespace = pod.Metadata.Namespace ?? "",
                Name = pod.Metadata.Name,
                Ips = Addresses(pod),
                Scrape =
                    classOf(pod) is { } work && Scrape(pod, work) is { } target
                        ?
                        [
                            target.Kind == ScrapeTarget.Serving && isScaled?.Invoke(pod) == true
                                ? target with
                                {
                                    IntervalSeconds = ScaledSeconds,
                                }
                                : target,
                        ]
                        : [],
                Checkpoint = checkpointOf?.Invoke(pod),
            }),
        ];
        var list = new TargetList { Pods = targets };
        // By its content: the same pods have the same revision, also after the operator's restart.
        return list with
        {
            Revision = Convert.ToHexStringLower(
                SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(list, UsageJson.Default.TargetList)).AsSpan(0, 8)
            ),
        };
    }

    public static ScrapeTarget? Scrape(V1Pod pod, WorkloadClass work)
    {
        // Whoever is at a hostNetwork pod's port is not known to be the pod.
        if (pod.Spec.HostNetwork)
            return null;
        var named = Annotations.FirstOrDefault(pair => pod.Metadata.Annotations.ContainsKey(pair.Port), Annotations[0]);
        int? port = pod.Metadata.Annotations.TryGetValue(named.Port, out var text)
            ? int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and < 65536
                ? number
                : null
            : work == WorkloadClass.Inference
                ? DeclaredPort(pod)
                : null;
        if (port is not { } found)
            return null;
        var path = pod.Metadata.Annotations.TryGetValue(named.Path, out var given) && given.StartsWith('/') ? given : DefaultPath;
        return new()
        {
            Port = found,
            Path = path,
            Kind = work == WorkloadClass.Inference ? ScrapeTarget.Serving : ScrapeTarget.Progress,
        };
    }

    private static int? DeclaredPort(V1Pod pod)
    {
        var ports = pod.Spec.Containers.SelectMany(c => c.Ports).ToArray();
        return (
            ServingPortNames.Select(name => ports.FirstOrDefault(p => p.Name == name)).FirstOrDefault(p => p is not null)
            ?? ServingPorts.Select(number => ports.FirstOrDefault(p => p.ContainerPort == number)).FirstOrDefault(p => p is not null)
        )?.ContainerPort;
    }

    private static IReadOnlyList<string> Addresses(V1Pod pod) =>
        pod.Status.PodIPs.Count > 0 ? pod.Status.PodIPs
        : pod.Status.PodIP is { Length: > 0 } ip ? [ip]
        : [];
}
