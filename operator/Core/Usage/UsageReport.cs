using System.Text.Json.Serialization;

namespace Bursar.Core.Usage;

/// <summary>
/// What an agent answers to <c>GET /v1/usage?after=&lt;epoch&gt;:&lt;seq&gt;</c>. Entries carry one sequence over all
/// lists; asking with <c>after=n</c> acknowledges n. A new <see cref="Epoch"/>, or <see cref="First"/> beyond
/// after + 1, is a gap. Unknown fields are ignored by both sides (one minor of version skew).
/// </summary>
public sealed record UsageReport
{
    /// <summary>The agent is there and sees no GPU.</summary>
    public const string NoSource = "none";

    public const string DcgmSource = "dcgm-exporter";

    /// <summary>The Kubernetes node the agent runs on; a report is believed for pods bound to it only.</summary>
    public string Node { get; set; } = "";

    /// <summary>Names one life of the journal; a journal that was lost or restarted has another.</summary>
    public string Epoch { get; set; } = "";

    /// <summary>The sequence number of the oldest entry that is still kept.</summary>
    public long First { get; init; }

    /// <summary>The sequence number the next entry will have; acknowledge <c>Next - 1</c>.</summary>
    public long Next { get; init; }

    public DateTimeOffset Now { get; init; }

    /// <summary>
    /// What the agent reads the GPUs by: <c>nvml</c>, <c>dcgm-exporter</c>, another vendor's reader, or <see cref="NoSource"/>; absent
    /// before its first sample.
    /// </summary>
    public string? Source { get; init; }

    /// <summary>
    /// What the driver calls the node's GPUs, written as feature discovery would; absent where it tells nothing, or of several kinds.
    /// </summary>
    public string? Product { get; init; }

    public IReadOnlyList<UsageInterval> Intervals { get; set; } = [];

    public IReadOnlyList<ProgressSample> Progress { get; set; } = [];

    public IReadOnlyList<TokenSample> Tokens { get; set; } = [];

    /// <summary>Absent from agents of an older version: then nobody answers.</summary>
    public IReadOnlyList<CheckpointSample> Checkpoints { get; set; } = [];
}

/// <summary>What one pod's container did on one device between two moments.</summary>
public sealed record UsageInterval
{
    /// <summary>A pod used the device without having asked for it: its cgroup tells which.</summary>
    public const string NotRequested = "not-requested";

    public long Seq { get; init; }

    /// <summary>Absent when the node could not tell (PodResources carries names only).</summary>
    public string? PodUid { get; init; }

    public string Namespace { get; set; } = "";

    public string Pod { get; set; } = "";

    public string Container { get; set; } = "";

    /// <summary>The device's UUID, slice suffixes stripped.</summary>
    public string Device { get; set; } = "";

    /// <summary>
    /// The share of the physical GPU: <c>1/1</c>, a MIG device's slices <c>2/7</c>, <c>0/1</c> where the device is shared and its slots are
    /// not the agent's to know.
    /// </summary>
    public string Share { get; set; } = "1/1";

    public DateTimeOffset From { get; init; }

    public DateTimeOffset To { get; init; }

    /// <summary>Milliseconds of the interval in which the device worked for this pod.</summary>
    public long BusyMs { get; init; }

    public long? EnergyMj { get; init; }

    /// <summary>Device memory that the pod had, in MiB, times the milliseconds it had it; absent where the driver does not tell.</summary>
    public long? MemoryMiBMs { get; init; }

    /// <summary>
    /// The most memory of the device that the pod's model server needed at a time, in MiB: what it held, without the unused part of its KV
    /// cache. Absent where the server does not tell the size of that cache.
    /// </summary>
    public long? NeededMiB { get; init; }

    /// <summary>Why the interval could not be attributed, or what the device did for the pod is not known, when so.</summary>
    public string? Reason { get; init; }
}

/// <summary>How far a pod's training has come: a counter that may go back when the pod restarts from a checkpoint.</summary>
public sealed record ProgressSample
{
    public long Seq { get; init; }

    public string PodUid { get; set; } = "";

    public long Step { get; init; }

    public long? Total { get; init; }

    public DateTimeOffset At { get; init; }

    /// <summary>When the last checkpoint was written, where the pod said so.</summary>
    public DateTimeOffset? CheckpointAt { get; init; }
}

/// <summary>Cumulative tokens and requests of one model in one pod. Counts only, never text.</summary>
public sealed record TokenSample
{
    public long Seq { get; init; }

    public string PodUid { get; set; } = "";

    public string Model { get; set; } = "";

    public long Prompt { get; init; }

    public long? Cached { get; init; }

    public long Generated { get; init; }

    /// <summary>Requests that ended; absent where the server counts none (llama.cpp) or the agent is of an older version.</summary>
    public long? Requests { get; init; }

    public DateTimeOffset At { get; init; }
}

/// <summary>A pod asked whether a checkpoint is wanted (no <see cref="Id"/>), or acknowledged one.</summary>
public sealed record CheckpointSample
{
    /// <summary>A budget's name, a slash and a time.</summary>
    public const int LongestId = 320;

    public long Seq { get; init; }

    public string PodUid { get; set; } = "";

    public DateTimeOffset At { get; init; }

    /// <summary>The request that is acknowledged.</summary>
    public string? Id { get; init; }

    /// <summary>When the checkpoint was written in full.</summary>
    public DateTimeOffset? Done { get; init; }

    /// <summary>The step it holds, where the pod said so.</summary>
    public long? Step { get; init; }
}

/// <summary>What the operator sends with <c>PUT /v1/targets</c>: every pod the agent may know, a full replacement.</summary>
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

    /// <summary>The checkpoint that is wanted of it; agents of an older version do not pass it on.</summary>
    public CheckpointWanted? Checkpoint { get; init; }
}

/// <summary>What <c>GET /v1/checkpoint</c> answers: a checkpoint is wanted.</summary>
public sealed record CheckpointWanted
{
    public string Id { get; set; } = "";

    public DateTimeOffset Requested { get; init; }

    /// <summary>From then on the work is stopped without it.</summary>
    public DateTimeOffset Deadline { get; init; }
}

/// <summary>One endpoint to read: <see cref="Kind"/> is <see cref="Serving"/> or <see cref="Progress"/>.</summary>
public sealed record ScrapeTarget
{
    /// <summary>A model server's page: tokens and load.</summary>
    public const string Serving = "serving";

    /// <summary>A training pod's page: steps.</summary>
    public const string Progress = "progress";

    public int Port { get; init; }

    public string Path { get; set; } = "/metrics";

    public string Kind { get; set; } = "";

    /// <summary>How often it is read; as the agent does it, where absent. Agents of an older version read it at their own pace.</summary>
    public int? IntervalSeconds { get; init; }
}

/// <summary><c>POST /v1/progress</c>, from a pod on the agent's node.</summary>
public sealed record ProgressPost
{
    public long? Step { get; init; }

    public long? Total { get; init; }

    public DateTimeOffset? CheckpointAt { get; init; }
}

/// <summary><c>POST /v1/checkpoint</c>, from a pod on the agent's node: the checkpoint is written.</summary>
public sealed record CheckpointPost
{
    public string? Id { get; init; }

    /// <summary>When; now, where it does not say.</summary>
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
