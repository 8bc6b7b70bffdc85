using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

[JsonConverter(typeof(V1PodStatusConverter))]
public sealed record V1PodStatus
{
    public static readonly V1PodStatus Empty = new();

    private long _started;

    // Null if PodIP is the only address, as in nearly every pod.
    private IReadOnlyList<string>? _ips;

    public string? Phase { get; init; }

    /// <summary>The reason why the whole pod failed, such as <c>Evicted</c>; null for most pods.</summary>
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

    public IReadOnlyList<V1PodCondition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<V1ContainerStatus> ContainerStatuses
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<V1ContainerStatus> InitContainerStatuses
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>Names of the claims that were created for the pod from templates, by the names of its references.</summary>
    public StringMap ResourceClaimNames
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    /// <summary>The claim that was created for extended resources served by a DRA driver.</summary>
    public V1ExtendedResourceClaim? ExtendedResourceClaim { get; init; }

    /// <summary>Returns the name of the claim that was created for a reference; null if there is none yet.</summary>
    public string? ClaimNameOf(string reference) => ResourceClaimNames.TryGetValue(reference, out string? name) ? name : null;

    public V1PodCondition? Condition(string type)
    {
        foreach (V1PodCondition condition in Conditions)
            if (string.Equals(condition.Type, type, StringComparison.Ordinal))
                return condition;
        return null;
    }

    internal static V1PodStatus Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        string? phase = null,
            reason = null,
            ip = null;
        string[] ips = [];
        long started = 0;
        V1PodCondition[] conditions = [];
        V1ContainerStatus[] containers = [],
            init = [];
        StringMap claims = StringMap.Empty;
        V1ExtendedResourceClaim? extended = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("phase"u8))
                phase = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("reason"u8))
                reason = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("conditions"u8))
                conditions = Wire.Array(ref reader, V1PodCondition.Read);
            else if (reader.ValueTextEquals("podIP"u8))
                ip = Wire.Text(ref reader);
            else if (reader.ValueTextEquals("podIPs"u8))
                ips = Wire.Array(ref reader, IpOf);
            else if (reader.ValueTextEquals("startTime"u8))
                started = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("containerStatuses"u8))
                containers = Wire.Array(ref reader, V1ContainerStatus.Read);
            else if (reader.ValueTextEquals("initContainerStatuses"u8))
                init = Wire.Array(ref reader, V1ContainerStatus.Read);
            else if (reader.ValueTextEquals("resourceClaimStatuses"u8))
                claims = ClaimNames(Wire.Array(ref reader, V1PodResourceClaim.Read));
            else if (reader.ValueTextEquals("extendedResourceClaimStatus"u8))
                extended = V1ExtendedResourceClaim.Read(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new V1PodStatus
        {
            Phase = phase,
            Reason = reason,
            PodIP = ip,
            _ips = ips.Length == 0 || (ips.Length == 1 && ips[0] == ip) ? null : ips,
            Conditions = SharedParts.Share(conditions),
            ContainerStatuses = SharedParts.Share(containers),
            InitContainerStatuses = SharedParts.Share(init),
            _started = started,
            ResourceClaimNames = claims,
            ExtendedResourceClaim = extended,
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
        Wire.Write(
            writer,
            "resourceClaimStatuses",
            [.. ResourceClaimNames.Select(pair => new V1PodResourceClaim { Name = pair.Key, ClaimName = pair.Value })],
            static (w, claim) => claim.Write(w)
        );
        ExtendedResourceClaim?.Write(writer);
        writer.WriteEndObject();
    }

    private static StringMap ClaimNames(V1PodResourceClaim[] claims) =>
        claims.Length == 0
            ? StringMap.Empty
            : StringMap.From(
                claims
                    .Where(claim => claim.ClaimName is not null)
                    .Select(claim => new KeyValuePair<string, string>(claim.Name, claim.ClaimName!))
            );

    private static string? IpOf(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? ip = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("ip"u8))
                ip = Wire.Text(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return ip;
    }
}

/// <summary>The claim for extended resources served by a DRA driver, with the resources that it represents.</summary>
public sealed record V1ExtendedResourceClaim
{
    public string ClaimName
    {
        get;
        init => field = value ?? "";
    } = "";

    public IReadOnlyList<string> Resources
    {
        get;
        init => field = value ?? [];
    } = [];

    internal static V1ExtendedResourceClaim? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? name = null;
        string[] resources = [];
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("resourceClaimName"u8))
                name = Wire.Text(ref reader);
            else if (reader.ValueTextEquals("requestMappings"u8))
                resources = Wire.Array(ref reader, ReadMapping);
            else
                Wire.Pass(ref reader);
        }

        return name is null ? null : new() { ClaimName = name, Resources = resources };
    }

    /// <summary>Writes the property <c>extendedResourceClaimStatus</c>.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("extendedResourceClaimStatus");
        writer.WriteString("resourceClaimName", ClaimName);
        Wire.Write(writer, "requestMappings", Resources, static (w, resource) =>
        {
            w.WriteStartObject();
            w.WriteString("resourceName", resource);
            w.WriteEndObject();
        });
        writer.WriteEndObject();
    }

    private static string? ReadMapping(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? resource = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("resourceName"u8))
                resource = Wire.Shared(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return resource;
    }
}

internal sealed class V1PodStatusConverter : JsonConverter<V1PodStatus>
{
    public override V1PodStatus Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1PodStatus.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1PodStatus value, JsonSerializerOptions options) => value.Write(writer);
}
