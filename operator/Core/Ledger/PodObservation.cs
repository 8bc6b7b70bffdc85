namespace Bursar.Core.Ledger;

/// <summary>
/// The facts that the API shows of one scheduled GPU pod. The same observations in any order and repetition lead to the same ledger. The
/// start is the API's own time, and the labels are those of the earliest observation. The container's own end (<see cref="FinishedAt"/>)
/// counts before a bound (<see cref="GoneAt"/>), and the earlier bound before the later.
/// </summary>
public sealed record PodObservation
{
    public required string Uid { get; init; }

    public required string Pod { get; init; }

    public required WorkloadKey Workload { get; init; }

    public required WorkloadClass Class { get; init; }

    /// <summary>
    /// The labels that budget selectors are matched against: those of the top workload's pod template, or of a bare pod itself. Stored by
    /// reference, so they must not change.
    /// </summary>
    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public required string Node { get; init; }

    /// <summary>The product of the node. Empty: unknown. <see cref="GpuLedger.ObserveNode"/> takes precedence.</summary>
    public string Product { get; init; } = "";

    /// <summary>The effective request: devices, or parts of devices according to <see cref="Share"/>.</summary>
    public required int Gpus { get; init; }

    /// <summary>The part of a device of <see cref="Product"/> that each unit is.</summary>
    public DeviceShare Share { get; init; } = DeviceShare.Whole;

    /// <summary>
    /// The claims that it shares with other pods of its node. The devices of a claim are divided among the pods that have it at the time. A
    /// pod with such claims has one of <see cref="Gpus"/>, and <see cref="Share"/> is all that it has alone.
    /// </summary>
    public IReadOnlyList<SharedClaim> Claims { get; init; } = [];

    /// <summary>When <c>PodScheduled</c> became true, which starts billing.</summary>
    public required DateTimeOffset ScheduledAt { get; init; }

    /// <summary>When the last container ended.</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>The latest time at which the pod can have ended, if the end of a container is unknown.</summary>
    public DateTimeOffset? GoneAt { get; init; }

    /// <summary>
    /// The earliest time at which the pod can have ended. Null, or equal to <see cref="GoneAt"/>: the end was observed. Otherwise the end
    /// lies in between, and pods that had the same devices lower it.
    /// </summary>
    public DateTimeOffset? AliveAt { get; init; }

    /// <summary>Whether all containers succeeded, for a pod that ended by itself. Null: it runs, was stopped, or this is unknown.</summary>
    public bool? Succeeded { get; init; }

    /// <summary>The API no longer shows the pod, so its end will not be shown again.</summary>
    public bool IsGone { get; init; }

    public required DateTimeOffset ObservedAt { get; init; }

    /// <summary>Returns the observation with the given end. Null: the pod runs.</summary>
    public PodObservation EndedAt(PodEnd? end) =>
        end switch
        {
            null => this,
            { IsExact: true } exact => this with { FinishedAt = exact.NotAfter },
            { } bounded => this with { GoneAt = bounded.NotAfter, AliveAt = bounded.NotBefore },
        };
}

/// <summary>A ResourceClaim that several pods may share.</summary>
/// <param name="Share">All of its devices together, in devices of the node.</param>
public readonly record struct SharedClaim(string Uid, DeviceShare Share);

/// <summary>A pod that is still billed. After a start, those that the API no longer shows must be closed.</summary>
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
