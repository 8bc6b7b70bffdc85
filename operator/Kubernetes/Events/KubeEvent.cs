using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Events;

/// <summary>An Event to publish about an object.</summary>
public sealed record KubeEvent
{
    public const string Normal = "Normal";
    public const string Warning = "Warning";

    /// <summary>The object that the Event is about. Its UID separates the Events of objects with the same name.</summary>
    public required V1ObjectReference Regarding { get; init; }

    public V1ObjectReference? Related { get; init; }

    public string Type { get; init; } = Normal;

    /// <summary>The reason, as one CamelCase word.</summary>
    public required string Reason { get; init; }

    /// <summary>The action that was taken, as one CamelCase word.</summary>
    public required string Action { get; init; }

    /// <summary>The message, cut to 1,024 bytes.</summary>
    public required string Note { get; init; }

    /// <summary>Events with the same object, reason and key are repeats. They become one series with the note of the first.</summary>
    public string Key { get; init; } = "";
}
