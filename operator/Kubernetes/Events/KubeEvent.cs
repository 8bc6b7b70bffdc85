using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Events;

/// <summary>Something to tell the people who look at an object.</summary>
public sealed record KubeEvent
{
    public const string Normal = "Normal";
    public const string Warning = "Warning";

    /// <summary>The object it is about; its uid keeps the events of a namesake apart.</summary>
    public required V1ObjectReference Regarding { get; init; }

    public V1ObjectReference? Related { get; init; }

    public string Type { get; init; } = Normal;

    /// <summary>One CamelCase word: why.</summary>
    public required string Reason { get; init; }

    /// <summary>One CamelCase word: what was done.</summary>
    public required string Action { get; init; }

    /// <summary>The sentence. Cut to 1,024 bytes.</summary>
    public required string Note { get; init; }

    /// <summary>
    /// With object and reason, what makes a repeat: events that share all three become one series, whose note is the first one's.
    /// </summary>
    public string Key { get; init; } = "";
}
