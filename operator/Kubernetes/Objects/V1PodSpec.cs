using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>The spec of a pod or a template. All fields except the node are in one part, which the pods of a job share.</summary>
[JsonConverter(typeof(V1PodSpecConverter))]
public sealed record V1PodSpec
{
    public static readonly V1PodSpec Empty = new();

    private static readonly PartPool<Common> Pool = new(EqualityComparer<Common>.Default, 1 << 13);

    private Common _common = Common.Empty;

    public string? NodeName { get; init; }

    public IReadOnlyList<V1Container> Containers
    {
        get => _common.Containers;
        init => _common = _common with { Containers = value ?? [] };
    }

    public IReadOnlyList<V1Container> InitContainers
    {
        get => _common.InitContainers;
        init => _common = _common with { InitContainers = value ?? [] };
    }

    /// <summary>Null if not set; the API server then uses 30.</summary>
    public long? TerminationGracePeriodSeconds
    {
        get => _common.Grace < 0 ? null : _common.Grace;
        init => _common = _common with { Grace = value is null ? -1 : Clamped(value.Value) };
    }

    public string? PriorityClassName
    {
        get => _common.PriorityClassName;
        init => _common = _common with { PriorityClassName = value };
    }

    public int Priority
    {
        get => _common.Priority;
        init => _common = _common with { Priority = value };
    }

    public IReadOnlyDictionary<string, string> NodeSelector
    {
        get => _common.NodeSelector;
        init => _common = _common with { NodeSelector = value ?? StringMap.Empty };
    }

    public string? RestartPolicy
    {
        get => _common.RestartPolicy;
        init => _common = _common with { RestartPolicy = value };
    }

    public IReadOnlyList<V1PodResourceClaim> ResourceClaims
    {
        get => _common.ResourceClaims;
        init => _common = _common with { ResourceClaims = value ?? [] };
    }

    public bool HostNetwork
    {
        get => _common.HostNetwork;
        init => _common = _common with { HostNetwork = value };
    }

    /// <summary>
    /// True if the pod has a volume on disk that is deleted with it: an emptyDir or a generic ephemeral volume. An emptyDir in memory
    /// (medium: Memory) does not count.
    /// </summary>
    public bool HasScratch
    {
        get => _common.HasScratch;
        init => _common = _common with { HasScratch = value };
    }

    internal static V1PodSpec Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        string? nodeName = null,
            priorityClass = null,
            restart = null;
        V1Container[] containers = [],
            init = [];
        long grace = -1;
        int priority = 0;
        StringMap selector = StringMap.Empty;
        bool hostNetwork = false,
            scratch = false;
        V1PodResourceClaim[] claims = [];
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("containers"u8))
                containers = Wire.Array(ref reader, V1Container.Read);
            else if (reader.ValueTextEquals("nodeName"u8))
                nodeName = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("initContainers"u8))
                init = Wire.Array(ref reader, V1Container.Read);
            else if (reader.ValueTextEquals("terminationGracePeriodSeconds"u8))
                grace = Wire.Long(ref reader, -1);
            else if (reader.ValueTextEquals("priorityClassName"u8))
                priorityClass = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("priority"u8))
                priority = Wire.Int(ref reader);
            else if (reader.ValueTextEquals("nodeSelector"u8))
                selector = Wire.Map(ref reader);
            else if (reader.ValueTextEquals("restartPolicy"u8))
                restart = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("volumes"u8))
                scratch = Wire.Array(ref reader, ReadScratch).Length > 0;
            else if (reader.ValueTextEquals("hostNetwork"u8))
                hostNetwork = Wire.Bool(ref reader);
            else if (reader.ValueTextEquals("resourceClaims"u8))
                claims = Wire.Array(ref reader, V1PodResourceClaim.Read);
            else
                Wire.Pass(ref reader);
        }

        Common common = new()
        {
            Containers = SharedParts.Share(containers),
            InitContainers = SharedParts.Share(init),
            Grace = grace < 0 ? -1 : Clamped(grace),
            PriorityClassName = priorityClass,
            Priority = priority,
            NodeSelector = SharedParts.Share(selector),
            RestartPolicy = restart,
            HostNetwork = hostNetwork,
            HasScratch = scratch,
            ResourceClaims = SharedParts.Share(claims),
        };
        return new V1PodSpec { NodeName = nodeName, _common = Pool.Share(common) };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        Wire.Write(writer, "nodeName", NodeName);
        Wire.Write(writer, "initContainers", InitContainers, static (w, container) => container.Write(w));
        Wire.Write(writer, "containers", Containers, static (w, container) => container.Write(w));
        Wire.Write(writer, "restartPolicy", RestartPolicy);
        if (_common.Grace >= 0)
            writer.WriteNumber("terminationGracePeriodSeconds", _common.Grace);
        Wire.Write(writer, "priorityClassName", PriorityClassName);
        if (Priority != 0)
            writer.WriteNumber("priority", Priority);
        Wire.Write(writer, "nodeSelector", NodeSelector);
        if (HostNetwork)
            writer.WriteBoolean("hostNetwork", true);
        Wire.Write(writer, "resourceClaims", ResourceClaims, static (w, claim) => claim.Write(w));
        writer.WriteEndObject();
    }

    /// <summary>Returns a string for a volume on disk that is deleted with its pod, null for any other.</summary>
    private static string? ReadScratch(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? scratch = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("emptyDir"u8))
                scratch = IsOnDisk(ref reader) ? "emptyDir" : scratch;
            else if (reader.ValueTextEquals("ephemeral"u8))
                scratch = IsOnDisk(ref reader) ? "ephemeral" : scratch;
            else
                Wire.Pass(ref reader);
        }
        return scratch;
    }

    private static bool IsOnDisk(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return false;
        var disk = true;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("medium"u8))
                disk = Wire.Shared(ref reader) != "Memory";
            else
                Wire.Pass(ref reader);
        }
        return disk;
    }

    private static int Clamped(long seconds) => (int)Math.Clamp(seconds, 0, int.MaxValue);

    private sealed record Common
    {
        public static readonly Common Empty = new();

        public IReadOnlyList<V1Container> Containers { get; init; } = [];

        public IReadOnlyList<V1Container> InitContainers { get; init; } = [];

        public IReadOnlyDictionary<string, string> NodeSelector { get; init; } = StringMap.Empty;

        public string? PriorityClassName { get; init; }

        public string? RestartPolicy { get; init; }

        public int Priority { get; init; }

        /// <summary>Negative if not set.</summary>
        public int Grace { get; init; } = -1;

        public bool HostNetwork { get; init; }

        public bool HasScratch { get; init; }

        public IReadOnlyList<V1PodResourceClaim> ResourceClaims { get; init; } = [];
    }
}

/// <summary>A pod's reference to a claim, by name or by the template from which a claim is created for this pod.</summary>
public sealed record V1PodResourceClaim
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    [JsonPropertyName("resourceClaimName")]
    public string? ClaimName { get; init; }

    [JsonPropertyName("resourceClaimTemplateName")]
    public string? TemplateName { get; init; }

    internal static V1PodResourceClaim? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? name = null,
            claim = null,
            template = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("resourceClaimName"u8))
                claim = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("resourceClaimTemplateName"u8))
                template = Wire.Shared(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new()
        {
            Name = name!,
            ClaimName = claim,
            TemplateName = template,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        Wire.Write(writer, "resourceClaimName", ClaimName);
        Wire.Write(writer, "resourceClaimTemplateName", TemplateName);
        writer.WriteEndObject();
    }
}

internal sealed class V1PodSpecConverter : JsonConverter<V1PodSpec>
{
    public override V1PodSpec Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1PodSpec.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1PodSpec value, JsonSerializerOptions options) => value.Write(writer);
}
