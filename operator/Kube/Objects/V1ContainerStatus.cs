using System.Text.Json;

namespace Bursar.Kube.Objects;

/// <summary>The part of a container's status that tells when it ended.</summary>
public sealed record V1ContainerStatus
{
    public string Name { get; init => field = value ?? ""; } = "";

    public V1ContainerState State { get; init => field = value ?? V1ContainerState.Empty; } = V1ContainerState.Empty;

    /// <summary>The container waits and has run before, as in a crash loop. Restarts of one that runs or has ended are not kept.</summary>
    public bool WaitsToRestart { get; init; }

    internal static V1ContainerStatus? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? name = null;
        V1ContainerState state = V1ContainerState.Empty;
        bool restarted = false;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8)) name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("state"u8)) state = V1ContainerState.Read(ref reader);
            else if (reader.ValueTextEquals("lastState"u8)) restarted |= V1ContainerState.Read(ref reader).Terminated is not null;
            else if (reader.ValueTextEquals("restartCount"u8)) restarted |= Wire.Int(ref reader) > 0;
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStatus { Name = name!, State = state, WaitsToRestart = restarted && state.IsWaiting };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        State.Write(writer);
        // The server's schema requires these of every container status.
        writer.WriteBoolean("ready", false);
        writer.WriteNumber("restartCount", WaitsToRestart ? 1 : 0);
        writer.WriteString("image", "");
        writer.WriteString("imageID", "");
        writer.WriteEndObject();
    }
}

/// <summary>A container that runs, or whose state is not known, is <see cref="Empty"/>.</summary>
public sealed record V1ContainerState
{
    public static readonly V1ContainerState Empty = new();

    private static readonly V1ContainerState s_waiting = new() { IsWaiting = true };

    /// <summary>The container waits to be started, for the first time or again.</summary>
    public bool IsWaiting { get; init; }

    public V1ContainerStateTerminated? Terminated { get; init; }

    internal static V1ContainerState Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return Empty;
        V1ContainerState state = Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("terminated"u8)) state = new V1ContainerState { Terminated = V1ContainerStateTerminated.Read(ref reader) };
            else if (reader.ValueTextEquals("waiting"u8))
            {
                if (Wire.EnterObject(ref reader))
                {
                    state = s_waiting;
                    while (Wire.NextProperty(ref reader)) Wire.Pass(ref reader);
                }
            }
            else Wire.Pass(ref reader);
        }

        return state;
    }

    /// <summary>Writes itself as property <c>state</c>, unless empty.</summary>
    internal void Write(Utf8JsonWriter writer)
    {
        if (Terminated is null && !IsWaiting) return;
        writer.WriteStartObject("state");
        if (IsWaiting)
        {
            writer.WriteStartObject("waiting");
            writer.WriteEndObject();
        }
        else
        {
            Terminated!.Write(writer);
        }
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

    public int ExitCode { get; init; }

    internal static V1ContainerStateTerminated? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        long finished = 0;
        int exitCode = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("finishedAt"u8)) finished = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("exitCode"u8)) exitCode = Wire.Int(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStateTerminated { _finished = finished, ExitCode = exitCode };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("terminated");
        writer.WriteNumber("exitCode", ExitCode);
        Wire.WriteTime(writer, "finishedAt", _finished);
        writer.WriteEndObject();
    }
}
