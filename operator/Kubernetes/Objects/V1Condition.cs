using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>A condition by the Kubernetes API conventions. Also used for kinds whose conditions have fewer or more fields.</summary>
public sealed record V1Condition
{
    public static readonly V1Condition Empty = new();

    public string Type
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>True, False or Unknown.</summary>
    public string Status
    {
        get;
        init => field = value ?? "";
    } = "";

    public long? ObservedGeneration { get; init; }

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastTransitionTime { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }
}
