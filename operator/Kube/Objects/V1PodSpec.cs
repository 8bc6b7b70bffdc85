using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kube.Objects;

/// <summary>A pod's specification, also within templates.</summary>
[JsonConverter(typeof(V1PodSpecConverter))]
public sealed record V1PodSpec
{
    public static readonly V1PodSpec Empty = new();

    private int _priority;
    private int _grace = -1;

    public string? NodeName { get; init; }

    public IReadOnlyList<V1Container> Containers { get; init => field = value ?? []; } = [];

    public IReadOnlyList<V1Container> InitContainers { get; init => field = value ?? []; } = [];

    /// <summary>Null: not said, which the API server fills with 30.</summary>
    public long? TerminationGracePeriodSeconds
    {
        get => _grace < 0 ? null : _grace;
        init => _grace = value is null ? -1 : (int)Math.Clamp(value.Value, 0, int.MaxValue);
    }

    public string? PriorityClassName { get; init; }

    public int Priority
    {
        get => _priority;
        init => _priority = value;
    }

    /// <summary>Names of the pod's resource claims, as the pod calls them.</summary>
    public IReadOnlyList<V1PodResourceClaim> ResourceClaims { get; init => field = value ?? []; } = [];

    /// <summary>Names of scheduling gates: while there are any, the pod is not scheduled.</summary>
    public IReadOnlyList<string> SchedulingGates { get; init => field = value ?? []; } = [];

    public IReadOnlyDictionary<string, string> NodeSelector { get; init => field = value ?? StringMap.Empty; } = StringMap.Empty;

    public IReadOnlyDictionary<string, string> Overhead { get; init => field = value ?? StringMap.Empty; } = StringMap.Empty;

    public string? RestartPolicy { get; init; }

    public string? ServiceAccountName { get; init; }

    public string? RuntimeClassName { get; init; }

    public bool HostNetwork { get; init; }

    internal static V1PodSpec Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return Empty;
        string? nodeName = null, priorityClass = null, restart = null, account = null, runtimeClass = null;
        V1Container[] containers = [], init = [];
        long grace = -1;
        int priority = 0;
        V1PodResourceClaim[] claims = [];
        string[] gates = [];
        StringMap selector = StringMap.Empty, overhead = StringMap.Empty;
        bool hostNetwork = false;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("containers"u8)) containers = Wire.Array(ref reader, V1Container.Read);
            else if (reader.ValueTextEquals("nodeName"u8)) nodeName = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("initContainers"u8)) init = Wire.Array(ref reader, V1Container.Read);
            else if (reader.ValueTextEquals("terminationGracePeriodSeconds"u8)) grace = Wire.Long(ref reader, -1);
            else if (reader.ValueTextEquals("priorityClassName"u8)) priorityClass = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("priority"u8)) priority = Wire.Int(ref reader);
            else if (reader.ValueTextEquals("resourceClaims"u8)) claims = Wire.Array(ref reader, V1PodResourceClaim.Read);
            else if (reader.ValueTextEquals("schedulingGates"u8)) gates = Wire.Array(ref reader, NameOf);
            else if (reader.ValueTextEquals("nodeSelector"u8)) selector = Wire.Map(ref reader);
            else if (reader.ValueTextEquals("overhead"u8)) overhead = Wire.Map(ref reader);
            else if (reader.ValueTextEquals("restartPolicy"u8)) restart = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("serviceAccountName"u8)) account = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("runtimeClassName"u8)) runtimeClass = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("hostNetwork"u8)) hostNetwork = Wire.Bool(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1PodSpec
        {
            NodeName = nodeName,
            Containers = containers,
            InitContainers = init,
            TerminationGracePeriodSeconds = grace < 0 ? null : grace,
            PriorityClassName = priorityClass,
            Priority = priority,
            ResourceClaims = claims,
            SchedulingGates = gates,
            NodeSelector = selector,
            Overhead = overhead,
            RestartPolicy = restart,
            ServiceAccountName = account,
            RuntimeClassName = runtimeClass,
            HostNetwork = hostNetwork,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        Wire.Write(writer, "nodeName", NodeName);
        Wire.Write(writer, "initContainers", InitContainers, static (w, container) => container.Write(w));
        Wire.Write(writer, "containers", Containers, static (w, container) => container.Write(w));
        Wire.Write(writer, "restartPolicy", RestartPolicy);
        if (_grace >= 0) writer.WriteNumber("terminationGracePeriodSeconds", _grace);
        Wire.Write(writer, "priorityClassName", PriorityClassName);
        if (_priority != 0) writer.WriteNumber("priority", _priority);
        Wire.Write(writer, "nodeSelector", NodeSelector);
        Wire.Write(writer, "overhead", Overhead);
        Wire.Write(writer, "serviceAccountName", ServiceAccountName);
        Wire.Write(writer, "runtimeClassName", RuntimeClassName);
        if (HostNetwork) writer.WriteBoolean("hostNetwork", true);
        Wire.Write(writer, "resourceClaims", ResourceClaims, static (w, claim) => claim.Write(w));
        Wire.Write(writer, "schedulingGates", SchedulingGates, static (w, gate) =>
        {
            w.WriteStartObject();
            w.WriteString("name", gate);
            w.WriteEndObject();
        });
        writer.WriteEndObject();
    }

    /// <summary>The name of a <c>{name: ...}</c> object.</summary>
    private static string? NameOf(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? name = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8)) name = Wire.Shared(ref reader);
            else Wire.Pass(ref reader);
        }

        return name;
    }
}

internal sealed class V1PodSpecConverter : JsonConverter<V1PodSpec>
{
    public override V1PodSpec Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => V1PodSpec.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1PodSpec value, JsonSerializerOptions options) => value.Write(writer);
}
