using System.Text.Json;

namespace Bursar.Kubernetes.Objects;

/// <summary>The fields of a container's status that show when it started and ended.</summary>
public sealed record V1ContainerStatus
{
    private long _started;

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public V1ContainerState State
    {
        get;
        init => field = value ?? V1ContainerState.Empty;
    } = V1ContainerState.Empty;

    /// <summary>True if the container waits and has run before, as in a crash loop. Other restarts are not kept.</summary>
    public bool WaitsToRestart { get; init; }

    /// <summary>The latest known start of a run or end of the run before it; null if neither is known.</summary>
    public DateTimeOffset? StartedAt
    {
        get => Wire.Time(_started);
        init => _started = Wire.Ticks(value);
    }

    internal static V1ContainerStatus? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? name = null;
        V1ContainerState state = V1ContainerState.Empty;
        bool restarted = false;
        long started = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("state"u8))
                state = V1ContainerState.Read(ref reader, ref started);
            else if (reader.ValueTextEquals("lastState"u8))
            {
                if (V1ContainerState.Read(ref reader, ref started).Terminated is not { } before)
                    continue;
                restarted = true;
                started = Math.Max(started, Wire.Ticks(before.FinishedAt));
            }
            else if (reader.ValueTextEquals("restartCount"u8))
                restarted |= Wire.Int(ref reader) > 0;
            else
                Wire.Pass(ref reader);
        }

        return new V1ContainerStatus
        {
            Name = name!,
            State = state,
            WaitsToRestart = restarted && state.IsWaiting,
            _started = started,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        State.Write(writer, _started);
        // The API server requires these fields of every container status.
        writer.WriteBoolean("ready", false);
        writer.WriteNumber("restartCount", WaitsToRestart ? 1 : 0);
        writer.WriteString("image", "");
        writer.WriteString("imageID", "");
        writer.WriteEndObject();
    }
}

/// <summary>The state of a container. If it runs, or its state is unknown, this is <see cref="Empty"/>.</summary>
public sealed record V1ContainerState
{
    public static readonly V1ContainerState Empty = new();

    private static readonly V1ContainerState Waiting = new() { IsWaiting = true };

    /// <summary>True if the container waits for its first start or a restart.</summary>
    public bool IsWaiting { get; init; }

    public V1ContainerStateTerminated? Terminated { get; init; }

    /// <param name="started">Raised to the start of the run, if the state has it.</param>
    internal static V1ContainerState Read(ref Utf8JsonReader reader, ref long started)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        V1ContainerState state = Empty;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("terminated"u8))
                state = new V1ContainerState { Terminated = V1ContainerStateTerminated.Read(ref reader, ref started) };
            else if (reader.ValueTextEquals("running"u8))
            {
                if (Wire.EnterObject(ref reader))
                {
                    while (Wire.NextProperty(ref reader))
                        if (reader.ValueTextEquals("startedAt"u8))
                            started = Math.Max(started, Wire.Ticks(ref reader));
                        else
                            Wire.Pass(ref reader);
                }
            }
            else if (reader.ValueTextEquals("waiting"u8))
            {
                if (Wire.EnterObject(ref reader))
                {
                    state = Waiting;
                    while (Wire.NextProperty(ref reader))
                        Wire.Pass(ref reader);
                }
            }
            else
                Wire.Pass(ref reader);
        }

        return state;
    }

    /// <summary>Writes the property <c>state</c> and, for a waiting container, <c>lastState</c>, unless they are empty.</summary>
    internal void Write(Utf8JsonWriter writer, long started)
    {
        if (Terminated is null && !IsWaiting && started == 0)
            return;
        writer.WriteStartObject("state");
        if (Terminated is not null)
            Terminated.Write(writer, started);
        else
        {
            writer.WriteStartObject(IsWaiting ? "waiting" : "running");
            if (!IsWaiting)
                Wire.WriteTime(writer, "startedAt", started);
            writer.WriteEndObject();
        }
        writer.WriteEndObject();
        if (!IsWaiting || started == 0)
            return;
        writer.WriteStartObject("lastState");
        new V1ContainerStateTerminated { FinishedAt = Wire.Time(started) }.Write(writer, 0);
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

    internal static V1ContainerStateTerminated? Read(ref Utf8JsonReader reader, ref long started)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        long finished = 0;
        int exitCode = 0;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("finishedAt"u8))
                finished = Wire.Ticks(ref reader);
            else if (reader.ValueTextEquals("startedAt"u8))
                started = Math.Max(started, Wire.Ticks(ref reader));
            else if (reader.ValueTextEquals("exitCode"u8))
                exitCode = Wire.Int(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new V1ContainerStateTerminated { _finished = finished, ExitCode = exitCode };
    }

    internal void Write(Utf8JsonWriter writer, long started)
    {
        writer.WriteStartObject("terminated");
        writer.WriteNumber("exitCode", ExitCode);
        if (started != 0)
            Wire.WriteTime(writer, "startedAt", started);
        Wire.WriteTime(writer, "finishedAt", _finished);
        writer.WriteEndObject();
    }
}
