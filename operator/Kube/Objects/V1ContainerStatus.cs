using System.Text.Json;

namespace Bursar.Kube.Objects;

/// <summary>Of a container's status, when it ended for good is all that is read.</summary>
public sealed record V1ContainerStatus
{
    public string Name { get; init => field = value ?? ""; } = "";

    public V1ContainerState State { get; init => field = value ?? V1ContainerState.Empty; } = V1ContainerState.Empty;

    internal static V1ContainerStatus? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? name = null;
        V1ContainerState state = V1ContainerState.Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8)) name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("state"u8)) state = V1ContainerState.Read(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStatus { Name = name!, State = state };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        State.Write(writer);
        // The server's schema requires these of every container status.
        writer.WriteBoolean("ready", false);
        writer.WriteNumber("restartCount", 0);
        writer.WriteString("image", "");
        writer.WriteString("imageID", "");
        writer.WriteEndObject();
    }
}

/// <summary>A container that waits or runs has nothing here.</summary>
public sealed record V1ContainerState
{
    public static readonly V1ContainerState Empty = new();

    public V1ContainerStateTerminated? Terminated { get; init; }

    internal static V1ContainerState Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return Empty;
        V1ContainerState state = Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("terminated"u8)) state = new V1ContainerState { Terminated = V1ContainerStateTerminated.Read(ref reader) };
            else Wire.Pass(ref reader);
        }

        return state;
    }

    /// <summary>Writes itself as property <c>state</c>, unless empty.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        if (Terminated is null) return;
        writer.WriteStartObject("state");
        Terminated.Write(writer);
        writer.WriteEndObject();
    }
}

public sealed record V1ContainerStateTerminated
{
    private long _finished;

    public DateTimeOffset? FinishedAt
    {
        get => Wire.Time(_finished);
        init => _finished = Wire.Ticks(value);
    }

    internal static V1ContainerStateTerminated? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        long finished = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("finishedAt"u8)) finished = Wire.Ticks(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStateTerminated { _finished = finished };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("terminated");
        writer.WriteNumber("exitCode", 0);
        Wire.WriteTime(writer, "finishedAt", _finished);
        writer.WriteEndObject();
    }
}
