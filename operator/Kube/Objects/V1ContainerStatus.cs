using System.Text.Json;

namespace Bursar.Kube.Objects;

public sealed record V1ContainerStatus
{
    public string Name { get; init => field = value ?? ""; } = "";

    public bool Ready { get; init; }

    public int RestartCount { get; init; }

    public V1ContainerState State { get; init => field = value ?? V1ContainerState.Empty; } = V1ContainerState.Empty;

    public V1ContainerState LastState { get; init => field = value ?? V1ContainerState.Empty; } = V1ContainerState.Empty;

    internal static V1ContainerStatus? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? name = null;
        bool ready = false;
        int restarts = 0;
        V1ContainerState state = V1ContainerState.Empty, last = V1ContainerState.Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8)) name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("ready"u8)) ready = Wire.Bool(ref reader);
            else if (reader.ValueTextEquals("restartCount"u8)) restarts = Wire.Int(ref reader);
            else if (reader.ValueTextEquals("state"u8)) state = V1ContainerState.Read(ref reader);
            else if (reader.ValueTextEquals("lastState"u8)) last = V1ContainerState.Read(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStatus { Name = name!, Ready = ready, RestartCount = restarts, State = state, LastState = last };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        writer.WriteBoolean("ready", Ready);
        writer.WriteNumber("restartCount", RestartCount);
        State.Write(writer, "state");
        LastState.Write(writer, "lastState");
        // The server's schema requires these two of every container status.
        writer.WriteString("image", "");
        writer.WriteString("imageID", "");
        writer.WriteEndObject();
    }
}

/// <summary>At most one of the three is set.</summary>
public sealed record V1ContainerState
{
    public static readonly V1ContainerState Empty = new();

    public V1ContainerStateRunning? Running { get; init; }

    public V1ContainerStateTerminated? Terminated { get; init; }

    public V1ContainerStateWaiting? Waiting { get; init; }

    internal static V1ContainerState Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return Empty;
        V1ContainerState state = Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("running"u8)) state = new V1ContainerState { Running = V1ContainerStateRunning.Read(ref reader) };
            else if (reader.ValueTextEquals("terminated"u8)) state = new V1ContainerState { Terminated = V1ContainerStateTerminated.Read(ref reader) };
            else if (reader.ValueTextEquals("waiting"u8)) state = new V1ContainerState { Waiting = V1ContainerStateWaiting.Read(ref reader) };
            else Wire.Pass(ref reader);
        }

        return state;
    }

    internal void Write(Utf8JsonWriter writer, string name)
    {
        if (Running is null && Terminated is null && Waiting is null) return;
        writer.WriteStartObject(name);
        Running?.Write(writer);
        Terminated?.Write(writer);
        Waiting?.Write(writer);
        writer.WriteEndObject();
    }
}

public sealed record V1ContainerStateRunning
{
    private long _started;

    public DateTimeOffset? StartedAt
    {
        get => Wire.Time(_started);
        init => _started = Wire.Ticks(value);
    }

    internal static V1ContainerStateRunning? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        long started = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("startedAt"u8)) started = Wire.Ticks(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStateRunning { _started = started };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("running");
        Wire.WriteTime(writer, "startedAt", _started);
        writer.WriteEndObject();
    }
}

public sealed record V1ContainerStateTerminated
{
    private long _started;
    private long _finished;

    public int ExitCode { get; init; }

    public string? Reason { get; init; }

    public DateTimeOffset? StartedAt
    {
        get => Wire.Time(_started);
        init => _started = Wire.Ticks(value);
    }

    public DateTimeOffset? FinishedAt
    {
        get => Wire.Time(_finished);
        init => _finished = Wire.Ticks(value);
    }

    internal static V1ContainerStateTerminated? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        int exitCode = 0;
        string? reason = null;
        long started = 0, finished = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("exitCode"u8)) exitCode = Wire.Int(ref reader);
            else if (reader.ValueTextEquals("reason"u8)) reason = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("startedAt"u8)) started = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("finishedAt"u8)) finished = Wire.Ticks(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStateTerminated { ExitCode = exitCode, Reason = reason, _started = started, _finished = finished };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("terminated");
        writer.WriteNumber("exitCode", ExitCode);
        Wire.Write(writer, "reason", Reason);
        Wire.WriteTime(writer, "startedAt", _started);
        Wire.WriteTime(writer, "finishedAt", _finished);
        writer.WriteEndObject();
    }
}

public sealed record V1ContainerStateWaiting
{
    public string? Reason { get; init; }

    internal static V1ContainerStateWaiting? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader)) return null;
        string? reason = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("reason"u8)) reason = Wire.Shared(ref reader);
            else Wire.Pass(ref reader);
        }

        return new V1ContainerStateWaiting { Reason = reason };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject("waiting");
        Wire.Write(writer, "reason", Reason);
        writer.WriteEndObject();
    }
}
