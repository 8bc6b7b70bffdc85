using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Lists the pods of a node for its agent: their names, addresses and metrics ports. A port is scraped only if the pod names it in an
/// annotation (Bursar's, or the common one of Prometheus or KServe). Serving pods are also scraped at the usual port of a model server.
/// </summary>
internal static class AgentTargets
{
    /// <summary>Port of the metrics of tokens or progress, on the pod or its template.</summary>
    public const string PortAnnotation = "bursar.dev/metrics-port";

    /// <summary>Path of these metrics; <c>/metrics</c> by default.</summary>
    public const string PathAnnotation = "bursar.dev/metrics-path";

    private const int ScaledSeconds = 1;

    private const string DefaultPath = "/metrics";

    private static readonly (string Port, string Path)[] Annotations =
    [
        (PortAnnotation, PathAnnotation),
        ("prometheus.io/port", "prometheus.io/path"),
        ("prometheus.kserve.io/port", "prometheus.kserve.io/path"),
    ];

    private static readonly string[] ServingPortNames = ["metrics", "http-metrics", "http"];

    /// <summary>Ports of Triton; vLLM, NIM, LMDeploy and Dynamo; SGLang; llama.cpp and Ray Serve.</summary>
    private static readonly int[] ServingPorts = [8002, 8000, 30000, 8080];

    /// <param name="pods">The pods with GPUs that are bound to the node.</param>
    /// <param name="classOf">The class of a pod's workload; null while its owners are unknown, and then it is not scraped yet.</param>
    /// <param name="checkpointOf">The checkpoint request for a pod's workload.</param>
    /// <param name="isScaled">Whether a scaler uses the pod's metrics, so that it is scraped every second.</param>
    public static TargetList Create(
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
        // The revision depends on the content only, so it stays the same after a restart of the operator.
        return list with
        {
            Revision = Convert.ToHexStringLower(
                SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(list, UsageJson.Default.TargetList)).AsSpan(0, 8)
            ),
        };
    }

    public static ScrapeTarget? Scrape(V1Pod pod, WorkloadClass work)
    {
        // The port of a hostNetwork pod may belong to another process of the node.
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
