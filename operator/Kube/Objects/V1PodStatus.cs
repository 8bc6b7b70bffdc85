using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kube.Objects;

[JsonConverter(typeof(V1PodStatusConverter))]
public sealed record V1PodStatus
{
    public static readonly V1PodStatus Empty = new();

    private long _started;

    // Null: the one address alone, as of nearly every pod.
    private IReadOnlyList<string>? _ips;

    public string? Phase { get; init; }

    /// <summary>Why the pod as a whole failed, as <c>Evicted</c>; null for most.</summary>
    public string? Reason { get; init; }

    public string? PodIP { get; init; }

    public IReadOnlyList<string> PodIPs
    {
        get => _ips ?? (PodIP is { Length: > 0 } ip ? [ip] : []);
        init => _ips = value;
    }

    public DateTimeOffset? StartTime
    {
        get => Wire.Time(_started);
        init => _started = Wire.Ticks(value);
    }

    public IReadOnlyList<V1PodCondition> Conditions { get; init => field = value ?? []; } = [];

    public IReadOnlyList<V1ContainerStatus> ContainerStatuses { get; init => field = value ?? []; } = [];

    public IReadOnlyList<V1ContainerStatus> InitContainerStatuses { get; init => field = value ?? []; } = [];

    /// <summary>The condition of a type, or null.</summary>
    public V1PodCondition? Condition(string type)
    {
        foreach (V1PodCondition condition in Conditions)
            if (string.Equals(condition.Type, type, StringComparison.Ordinal))
                return condition;
        return null;
    }

    internal static V1PodStatus Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return Empty;
        string? phase = null, reason = null, ip = null;
        string[] ips = [];
        long started = 0;
        V1PodCondition[] conditions = [];
        V1ContainerStatus[] containers = [], init = [];
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("phase"u8)) phase = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("reason"u8)) reason = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("conditions"u8)) conditions = Wire.Array(ref reader, V1PodCondition.Read);
            else if (reader.ValueTextEquals("podIP"u8)) ip = Wire.Text(ref reader);
            else if (reader.ValueTextEquals("podIPs"u8)) ips = Wire.Array(ref reader, IpOf);
            else if (reader.ValueTextEquals("startTime"u8)) started = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("containerStatuses"u8)) containers = Wire.Array(ref reader, V1ContainerStatus.Read);
            else if (reader.ValueTextEquals("initContainerStatuses"u8)) init = Wire.Array(ref reader, V1ContainerStatus.Read);
            else Wire.Pass(ref reader);
        }

        return new V1PodStatus
        {
            Phase = phase,
            Reason = reason,
            PodIP = ip,
            _ips = ips.Length == 0 || (ips.Length == 1 && ips[0] == ip) ? null : ips,
            Conditions = SharedParts.Of(conditions),
            ContainerStatuses = SharedParts.Of(containers),
            InitContainerStatuses = SharedParts.Of(init),
            _started = started,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        Wire.Write(writer, "phase", Phase);
        Wire.Write(writer, "reason", Reason);
        Wire.Write(writer, "podIP", PodIP);
        Wire.Write(writer, "podIPs", PodIPs, static (w, ip) =>
        {
            w.WriteStartObject();
            w.WriteString("ip", ip);
            w.WriteEndObject();
        });
        Wire.WriteTime(writer, "startTime", _started);
        Wire.Write(writer, "conditions", Conditions, static (w, condition) => condition.Write(w));
        Wire.Write(writer, "initContainerStatuses", InitContainerStatuses, static (w, status) => status.Write(w));
        Wire.Write(writer, "containerStatuses", ContainerStatuses, static (w, status) => status.Write(w));
        writer.WriteEndObject();
    }

    private static string? IpOf(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? ip = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("ip"u8)) ip = Wire.Text(ref reader);
            else Wire.Pass(ref reader);
        }

        return ip;
    }
}

internal sealed class V1PodStatusConverter : JsonConverter<V1PodStatus>
{
    public override V1PodStatus Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => V1PodStatus.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1PodStatus value, JsonSerializerOptions options) => value.Write(writer);
}
