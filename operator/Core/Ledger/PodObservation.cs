namespace Bursar.Core.Ledger;

/// <summary>
/// What the API says of one scheduled pod that holds GPUs. Any repetition, and any order, of the same observations
/// leaves the same ledger: the start is the API's own time, the labels are those of the earliest observation, and of
/// two ends the container's own (<see cref="FinishedAt"/>) counts before a bound (<see cref="GoneAt"/>), and the earlier bound before the
/// later.
/// </summary>
public sealed record PodObservation
{
    public required string Uid { get; init; }

    public required string Pod { get; init; }

    public required WorkloadKey Workload { get; init; }

    public required WorkloadClass Class { get; init; }

    /// <summary>
    /// The labels a budget's selector is matched against: of the top workload's pod template, of a bare pod its own. They are kept as they
    /// are, and must not change.
    /// </summary>
    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public required string Node { get; init; }

    /// <summary>The node's product, empty while unknown; what <see cref="GpuLedger.ObserveNode"/> says of the node goes first.</summary>
    public string Product { get; init; } = "";

    /// <summary>Devices, or parts of one each as <see cref="Share"/> says, by the effective request.</summary>
    public required int Gpus { get; init; }

    /// <summary>What part of a device each is, as the node says that <see cref="Product"/> is of.</summary>
    public DeviceShare Share { get; init; } = DeviceShare.Whole;

    /// <summary>
    /// What it has together with the other pods of its node that hold the same claims: each claim's devices are divided among those that
    /// hold it, moment by moment. A pod with such claims has one of <see cref="Gpus"/>, whose <see cref="Share"/> is all that it has alone.
    /// </summary>
    public IReadOnlyList<SharedClaim> Claims { get; init; } = [];

    /// <summary>When <c>PodScheduled</c> became true: billing begins.</summary>
    public required DateTimeOffset ScheduledAt { get; init; }

    /// <summary>When the last container ended.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>The latest moment at which the pod can have ended, where the end of a container is not known.</summary>
    public DateTimeOffset? GoneAt { get; init; }

    /// <summary>
    /// The earliest moment at which the pod can have ended. Null, or equal to <see cref="GoneAt"/>: the end was seen. Else the end lies
    /// somewhere between the two, and gives way to pods that held the same devices.
    /// </summary>
    public DateTimeOffset? AliveAt { get; init; }

    /// <summary>
    /// Whether all its containers succeeded, where it ended by itself; null while it runs, after it was stopped, and where that is not
    /// known.
    /// </summary>
    public bool? Succeeded { get; init; }

    /// <summary>The API no longer shows the pod: nobody will tell its end again.</summary>
    public bool IsGone { get; init; }

    public required DateTimeOffset ObservedAt { get; init; }

    /// <summary>The same with its end; null for a pod that runs.</summary>
    public PodObservation EndedAt(PodEnd? end) =>
        end switch
        {
            null => this,
            { IsExact: true } exact => this with { FinishedAt = exact.NotAfter },
            { } bounded => this with { GoneAt = bounded.NotAfter, AliveAt = bounded.NotBefore },
        };
}

/// <summary>A ResourceClaim that several pods may hold.</summary>
/// <param name="Uid">The claim.</param>
/// <param name="Share">All of its devices together, in devices of the node.</param>
public readonly record struct SharedClaim(string Uid, DeviceShare Share);

/// <summary>A pod the ledger still bills; at start, those that the API no longer shows are to be closed.</summary>
public sealed record OpenPod(
    string Uid,
    string Pod,
    string Node,
    WorkloadKey Workload,
    int Gpus,
    DateTimeOffset Since,
    DateTimeOffset? LastProof
);

/// <summary>A pod that ended by itself.</summary>
/// <param name="Time">How long it was billed.</param>
public sealed record EndedPod(string Uid, string Pod, DateTimeOffset From, TimeSpan Time, bool Succeeded);
