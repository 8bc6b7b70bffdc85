using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// One stretch of a pod's billed time at one rate. Entries are computed: a price that changes or a node that is lost
/// cuts a pod's frame into several, and no stored record is rewritten. <see cref="To"/> is null while it runs;
/// <see cref="Rate"/> is null while the product has no price.
/// </summary>
public sealed record LedgerEntry(
    string PodUid,
    string Pod,
    WorkloadKey Workload,
    WorkClass Class,
    string Node,
    string Product,
    int Gpus,
    Rate? Rate,
    DateTimeOffset From,
    DateTimeOffset? To)
{
    /// <summary>What part of a device each of the <see cref="Gpus"/> is; <see cref="Rate"/> is of that part.</summary>
    public DeviceShare Share { get; init; } = DeviceShare.Whole;
}

/// <summary>What one workload cost in an interval, and what its pods did since they began.</summary>
public sealed record WorkloadSpend
{
    public required WorkloadKey Workload { get; init; }

    public required WorkClass Class { get; init; }

    /// <summary>Exactly the sum of the entries inside the interval.</summary>
    public required Amount Spent { get; init; }

    /// <summary>GPU-milliseconds billed inside the interval, of a slice or slot its part; of each pod cut to whole ones.</summary>
    public required Int128 ReservedGpuMs { get; init; }

    /// <summary>GPU-milliseconds inside the interval that have no price.</summary>
    public required Int128 UnpricedGpuMs { get; init; }

    /// <summary>Devices held and price per hour of the pods that run at the interval's end.</summary>
    public required int Gpus { get; init; }

    public required Rate RatePerHour { get; init; }

    /// <summary>The workload's first billed moment, whatever the interval.</summary>
    public required DateTimeOffset Since { get; init; }

    /// <summary>Over the pods' whole lives, as agents measured.</summary>
    public required UsageSums Usage { get; init; }
}

/// <summary>What agents measured over a life: not bound to a window, since it is shown and not billed.</summary>
public sealed record UsageSums(long MeasuredMs, long BusyMs, long EnergyMj, IReadOnlyDictionary<string, TokenSums> Tokens)
{
    public static readonly UsageSums None = new(0, 0, 0, new Dictionary<string, TokenSums>());

    public long IdleMs => Math.Max(0, MeasuredMs - BusyMs);
}

public sealed record TokenSums(long Prompt, long Cached, long Generated);

/// <summary>A constant spend from one moment to another (null: on and on), per hour.</summary>
public readonly record struct SpendSegment(DateTimeOffset From, DateTimeOffset? To, Rate RatePerHour);
