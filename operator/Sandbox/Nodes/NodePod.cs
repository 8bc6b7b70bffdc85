using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Nodes;

/// <summary>The fields of a pod that a scheduler and a kubelet read.</summary>
[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "Pod", PluralName = "pods")]
public sealed record NodePod : IKubernetesEntity<NodePod>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "Pod", "pods");

    public static JsonTypeInfo<NodePod> JsonTypeInfo => NodesJson.Default.NodePod;

    public string ApiVersion
    {
        get;
        init => field = value ?? "v1";
    } = "v1";

    public string Kind
    {
        get;
        init => field = value ?? "Pod";
    } = "Pod";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public NodePodSpec Spec
    {
        get;
        init => field = value ?? new();
    } = new();

    public NodePodStatus Status
    {
        get;
        init => field = value ?? new();
    } = new();

    internal bool IsFinished => Status.Phase is "Succeeded" or "Failed";

    /// <summary>True if one of the schedulers may bind the pod now.</summary>
    internal bool WaitsForNode(IReadOnlySet<string> schedulers) =>
        string.IsNullOrEmpty(Spec.NodeName)
        && Metadata.DeletionTimestamp is null
        && !IsFinished
        && Spec.SchedulingGates.Count == 0
        && schedulers.Contains(Spec.SchedulerName ?? "default-scheduler");

    /// <summary>The effective GPU request: the sum of containers and sidecars, or one init container if that is more.</summary>
    internal int Gpus
    {
        get
        {
            var sidecars = 0;
            var init = 0;
            foreach (var container in Spec.InitContainers)
            {
                var gpus = container.Gpus;
                if (container.RestartPolicy == "Always")
                    sidecars += gpus;
                init = Math.Max(init, container.RestartPolicy == "Always" ? sidecars : sidecars + gpus);
            }

            return Math.Max(init, sidecars + Spec.Containers.Sum(static container => container.Gpus));
        }
    }
}

public sealed record NodePodSpec
{
    public string? NodeName { get; init; }

    public string? SchedulerName { get; init; }

    public string? RestartPolicy { get; init; }

    public bool? HostNetwork { get; init; }

    public int? Priority { get; init; }

    public long? TerminationGracePeriodSeconds { get; init; }

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> NodeSelector
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyList<JsonElement> SchedulingGates
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<NodeContainer> InitContainers
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<NodeContainer> Containers
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record NodeContainer
{
    public const string GpuResource = "nvidia.com/gpu";

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Image
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? RestartPolicy { get; init; }

    public NodeContainerResources Resources
    {
        get;
        init => field = value ?? new();
    } = new();

    internal int Gpus =>
        (Resources.Limits.TryGetValue(GpuResource, out var text) || Resources.Requests.TryGetValue(GpuResource, out text))
        && KubernetesQuantity.TryParse(text, out var quantity)
            ? (int)quantity.ToInt64()
            : 0;
}

public sealed record NodeContainerResources
{
    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> Limits
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> Requests
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;
}

public sealed record NodePodStatus
{
    public string? Phase { get; init; }

    public string? PodIP { get; init; }

    public IReadOnlyList<NodePodCondition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record NodePodCondition
{
    public string Type
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Status
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? Reason { get; init; }

    public string? Message { get; init; }

    public DateTimeOffset? LastTransitionTime { get; init; }
}
