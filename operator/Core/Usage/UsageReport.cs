using System.Text.Json.Serialization;

namespace Bursar.Core.Usage;

/// <summary>
/// An agent's answer to <c>GET /v1/usage?after=&lt;epoch&gt;:&lt;seq&gt;</c>. Entries share one sequence over all lists, and <c>after=n</c>
/// acknowledges n. A new <see cref="Epoch"/>, or a <see cref="First"/> beyond after + 1, is a gap. Both sides ignore unknown fields (one
/// minor version of skew).
/// </summary>
public sealed record UsageReport
{
    /// <summary>The agent runs but sees no GPU.</summary>
    public const string NoSource = "none";

    public const string DcgmSource = "dcgm-exporter";

    /// <summary>The agent's Kubernetes node. A report is trusted for pods bound to it only.</summary>
    public string Node { get; set; } = "";

    /// <summary>Identifies one life of the journal. A journal that was lost or restarted has another.</summary>
    public string Epoch { get; set; } = "";

    /// <summary>The sequence number of the oldest kept entry.</summary>
    public long First { get; init; }

    /// <summary>The sequence number of the next entry. Acknowledge <c>Next - 1</c>.</summary>
    public long Next { get; init; }

    public DateTimeOffset Now { get; init; }

    /// <summary>
    /// The source of the GPU measurements: <c>nvml</c>, <c>dcgm-exporter</c>, another vendor's reader, or <see cref="NoSource"/>. Absent
    /// before the first sample.
    /// </summary>
    public string? Source { get; init; }

    /// <summary>
    /// The driver's name of the node's GPUs, in the spelling of feature discovery. Absent if unknown or if there are several kinds.
    /// </summary>
    public string? Product { get; init; }

    public IReadOnlyList<UsageInterval> Intervals { get; set; } = [];

    public IReadOnlyList<ProgressSample> Progress { get; set; } = [];

    public IReadOnlyList<TokenSample> Tokens { get; set; } = [];

    /// <summary>Absent in reports of older agents.</summary>
    public IReadOnlyList<CheckpointSample> Checkpoints { get; set; } = [];
}

/// <summary>The usage of one device by a pod's container between two times.</summary>
public sealed record UsageInterval
{
    /// <summary>A pod used the device without having requested it, as its cgroup shows.</summary>
    public const string NotRequested = "not-requested";

    public long Seq { get; init; }

    /// <summary>Absent if the node could not determine it (PodResources has names only).</summary>
    public string? PodUid { get; init; }

    public string Namespace { get; set; } = "";

    public string Pod { get; set; } = "";

    public string Container { get; set; } = "";

    /// <summary>The device's UUID without slice suffixes.</summary>
    public string Device { get; set; } = "";

    /// <summary>
    /// The share of the physical GPU: <c>1/1</c>, <c>2/7</c> for the slices of a MIG device, <c>0/1</c> if the device is shared and the
    /// agent does not know its slots.
    /// </summary>
    public string Share { get; set; } = "1/1";

    public DateTimeOffset From { get; init; }

    public DateTimeOffset To { get; init; }

    /// <summary>The milliseconds of the interval in which the device worked for this pod.</summary>
    public long BusyMs { get; init; }

    public long? EnergyMj { get; init; }

    /// <summary>The pod's device memory in MiB times the milliseconds of its use. Absent if the driver does not report it.</summary>
    public long? MemoryMiBMs { get; init; }

    /// <summary>
    /// The largest amount of device memory that the pod's model server needed at a time, in MiB: its memory without the unused part of its
    /// KV cache. Absent if the server does not report the size of that cache.
    /// </summary>
    public long? NeededMiB { get; init; }

    /// <summary>Why the interval could not be attributed, or why its usage is unknown. Absent otherwise.</summary>
    public string? Reason { get; init; }
}

/// <summary>The progress of a pod's training: a counter that may go back when the pod restarts from a checkpoint.</summary>
public sealed record ProgressSample
{
    public long Seq { get; init; }

    public string PodUid { get; set; } = "";

    public long Step { get; init; }

    public long? Total { get; init; }

    public DateTimeOffset At { get; init; }

    /// <summary>When the last checkpoint was written, if the pod reported it.</summary>
    public DateTimeOffset? CheckpointAt { get; init; }
}

/// <summary>The cumulative tokens and requests of one model in one pod. Counts only, never text.</summary>
public sealed record TokenSample
{
    public long Seq { get; init; }

    public string PodUid { get; set; } = "";

    public string Model { get; set; } = "";

    public long Prompt { get; init; }

    public long? Cached { get; init; }

    public long Generated { get; init; }

    /// <summary>Completed requests. Absent if the server does not count them (llama.cpp) or the agent is older.</summary>
    public long? Requests { get; init; }

    public DateTimeOffset At { get; init; }
}

/// <summary>A pod queried for a checkpoint request (no <see cref="Id"/>), or acknowledged one.</summary>
public sealed record CheckpointSample
{
    /// <summary>Enough for a budget's name, a slash and a time.</summary>
    public const int LongestId = 320;

    public long Seq { get; init; }

    public string PodUid { get; set; } = "";

    public DateTimeOffset At { get; init; }

    /// <summary>The acknowledged request.</summary>
    public string? Id { get; init; }

    /// <summary>When the checkpoint was completely written.</summary>
    public DateTimeOffset? Done { get; init; }

    /// <summary>The step of the checkpoint, if the pod reported it.</summary>
    public long? Step { get; init; }
}

/// <summary>The body of <c>PUT /v1/targets</c>: every pod that the agent may know. It replaces the previous list.</summary>
public sealed record TargetList
{
    public string Revision { get; set; } = "";

    public IReadOnlyList<TargetPod> Pods { get; set; } = [];
}

public sealed record TargetPod
{
    public string Uid { get; set; } = "";

    public string Namespace { get; set; } = "";

    public string Name { get; set; } = "";

    public IReadOnlyList<string> Ips { get; set; } = [];

    public IReadOnlyList<ScrapeTarget> Scrape { get; set; } = [];

    /// <summary>The checkpoint requested from the pod. Older agents do not pass it on.</summary>
    public CheckpointWanted? Checkpoint { get; init; }
}

/// <summary>The answer of <c>GET /v1/checkpoint</c> if a checkpoint is requested.</summary>
public sealed record CheckpointWanted
{
    public string Id { get; set; } = "";

    public DateTimeOffset Requested { get; init; }

    /// <summary>When the workload is stopped even without a checkpoint.</summary>
    public DateTimeOffset Deadline { get; init; }
}

/// <summary>An endpoint to read. <see cref="Kind"/> is <see cref="Serving"/> or <see cref="Progress"/>.</summary>
public sealed record ScrapeTarget
{
    /// <summary>A model server's metrics: tokens and load.</summary>
    public const string Serving = "serving";

    /// <summary>A training pod's metrics: steps.</summary>
    public const string Progress = "progress";

    public int Port { get; init; }

    public string Path { get; set; } = "/metrics";

    public string Kind { get; set; } = "";

    /// <summary>How often it is read. Absent: the agent's default. Older agents use their own interval.</summary>
    public int? IntervalSeconds { get; init; }
}

/// <summary>The body of <c>POST /v1/progress</c> from a pod on the agent's node.</summary>
public sealed record ProgressPost
{
    public long? Step { get; init; }

    public long? Total { get; init; }

    public DateTimeOffset? CheckpointAt { get; init; }
}

/// <summary>The body of <c>POST /v1/checkpoint</c> from a pod on the agent's node: the checkpoint is written.</summary>
public sealed record CheckpointPost
{
    public string? Id { get; init; }

    /// <summary>When it was written. Absent: now.</summary>
    public DateTimeOffset? Done { get; init; }

    public long? Step { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(TargetList))]
[JsonSerializable(typeof(ProgressPost))]
[JsonSerializable(typeof(CheckpointWanted))]
[JsonSerializable(typeof(CheckpointPost))]
public sealed partial class UsageJson : JsonSerializerContext;
