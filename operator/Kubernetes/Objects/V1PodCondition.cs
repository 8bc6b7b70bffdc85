using System.Text.Json;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// A condition of a pod with the time of its change. Only PodScheduled, Ready, DisruptionTarget and a false PodReadyToStartContainers are
/// kept, without reasons and messages.
/// </summary>
public sealed record V1PodCondition
{
    private long _changed;

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

    public DateTimeOffset? LastTransitionTime
    {
        get => Wire.Time(_changed);
        init => _changed = Wire.Ticks(value);
    }

    internal static V1PodCondition? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? type = null,
            status = null;
        long changed = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("type"u8))
                type = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("status"u8))
                status = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("lastTransitionTime"u8))
                changed = Wire.Ticks(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return type is "PodScheduled" or "Ready" or "DisruptionTarget" || (type is "PodReadyToStartContainers" && status is "False")
            ? new V1PodCondition
            {
                Type = type,
                Status = status!,
                _changed = changed,
            }
            : null;
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type", Type);
        writer.WriteString("status", Status);
        Wire.WriteTime(writer, "lastTransitionTime", _changed);
        writer.WriteEndObject();
    }
}
