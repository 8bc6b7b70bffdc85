using System.Text.Json;

namespace Bursar.Kube.Objects;

/// <summary>A condition of a pod. The message is not kept.</summary>
public sealed record V1PodCondition
{
    private long _changed;

    public string Type { get; init => field = value ?? ""; } = "";

    public string Status { get; init => field = value ?? ""; } = "";

    public string? Reason { get; init; }

    public DateTimeOffset? LastTransitionTime
    {
        get => Wire.Time(_changed);
        init => _changed = Wire.Ticks(value);
    }

    internal static V1PodCondition? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? type = null, status = null, reason = null;
        long changed = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("type"u8)) type = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("status"u8)) status = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("reason"u8)) reason = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("lastTransitionTime"u8)) changed = Wire.Ticks(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1PodCondition { Type = type!, Status = status!, Reason = reason, _changed = changed };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type", Type);
        writer.WriteString("status", Status);
        Wire.Write(writer, "reason", Reason);
        Wire.WriteTime(writer, "lastTransitionTime", _changed);
        writer.WriteEndObject();
    }
}
