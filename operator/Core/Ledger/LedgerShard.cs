using System.Text.Json.Serialization;
using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// One stored object of the ledger. Times are milliseconds since 1970, rates are nano-currency per GPU-hour, so nothing is rounded.
/// <see cref="Kind"/> determines which lists are filled.
/// </summary>
public sealed record LedgerShard
{
    public const string BaseKind = "base";
    public const string PodsKind = "pods";
    public const string UsageKind = "usage";
    public const string NodesKind = "nodes";
    public const string BudgetKind = "budget";
    public const string DayKind = "day";
    public const string SeriesKind = "series";
    public const string ScaledKind = "scaled";
    public const string ClockKind = "clock";

    /// <summary>
    /// A Kubernetes object name. The names of pod shards are <c>namespace-day-n</c>. All others contain a dot, which no namespace can.
    /// </summary>
    public string Name { get; set; } = "";

    public string Kind { get; set; } = "";

    /// <summary>The watched namespace of the pods or budget.</summary>
    public string? Namespace { get; init; }

    /// <summary>The UTC day on which the pods began, the nodes were first seen, or the usage was measured.</summary>
    public string? Day { get; init; }

    public int Index { get; init; }

    /// <summary>Grows with each change. <see cref="GpuLedger.MarkWritten"/> takes it.</summary>
    public long Revision { get; init; }

    /// <summary>Whether it belongs to the operator's state and not to the bill.</summary>
    [JsonIgnore]
    public bool IsState => Kind is BudgetKind or SeriesKind or ScaledKind;

    /// <summary>Whether the object may be deleted.</summary>
    [JsonIgnore]
    public bool IsEmpty { get; init; }

    /// <summary>Whether it contains facts that the API no longer shows, and must be written at once.</summary>
    [JsonIgnore]
    public bool IsUrgent { get; init; }

    public long? Installed { get; init; }

    public string? Currency { get; init; }

    /// <summary>The time up to which all other shards are complete.</summary>
    public long? AsOf { get; init; }

    /// <summary>The first day, counted from 1970-01-01, whose facts are kept. Earlier days are sums.</summary>
    public int? DetailDay { get; init; }

    /// <summary>The days whose sums are kept.</summary>
    public IReadOnlyList<ShardKeptDay>? KeptDays { get; init; }

    /// <summary>The totals of all days that were ever summed.</summary>
    public IReadOnlyList<ShardPast>? Past { get; init; }

    public IReadOnlyList<ShardPrice>? Prices { get; init; }

    public IReadOnlyList<ShardWorkload>? Workloads { get; init; }

    public IReadOnlyList<ShardPod>? Pods { get; init; }

    public IReadOnlyList<ShardPodDay>? Usage { get; init; }

    public IReadOnlyList<ShardNode>? Nodes { get; init; }

    public IReadOnlyList<ShardWork>? Rows { get; init; }

    public ShardRemainder? Remainder { get; init; }

    public string? BudgetUid { get; init; }

    public string? BudgetName { get; init; }

    public string? Memory { get; init; }

    [JsonPropertyName("parked")]
    public IReadOnlyList<ShardSuspension>? Suspensions { get; init; }

    public IReadOnlyList<DecisionRecord>? Decisions { get; init; }

    public CountedWindow? Window { get; init; }

    public IReadOnlyList<ClosedWindow>? Windows { get; init; }

    public IReadOnlyList<GrantRecord>? Grants { get; init; }

    public IReadOnlyList<LoanRecord>? Loans { get; init; }

    public SpendingHistory? Spending { get; init; }

    public IReadOnlyList<ShardSeries>? Series { get; init; }

    public IReadOnlyList<ShardScaler>? Scaled { get; init; }

    /// <summary>Returns the position of a kind in the order of writing.</summary>
    public static int RankOf(string kind) =>
        kind switch
        {
            // Sums first, then the record that they exist, then the facts without those that were summed.
            DayKind => 0,
            BaseKind => 1,
            PodsKind => 2,
            UsageKind => 3,
            BudgetKind or SeriesKind or ScaledKind => 4,
            ClockKind => 6,
            _ => 5,
        };
}

public sealed record ShardPrice(string Product, IReadOnlyList<ShardPriceChange> Changes);

public sealed record ShardPriceChange(long At, long Nano);

/// <summary>A workload with the labels its pods had when first seen. Pods refer to it by its index in the list.</summary>
public sealed record ShardWorkload(
    string Namespace,
    string Kind,
    string Name,
    string Uid,
    WorkloadClass Class,
    IReadOnlyDictionary<string, string>? Labels
);

public sealed record ShardPod
{
    public string Uid { get; set; } = "";

    public string Pod { get; set; } = "";

    public int Workload { get; init; }

    public string Node { get; set; } = "";

    public string Product { get; set; } = "";

    public int Gpus { get; init; }

    /// <summary>The part of a device that each GPU is. Absent for whole devices.</summary>
    public int? Parts { get; init; }

    public int? Of { get; init; }

    /// <summary>The claims that it shares with other pods.</summary>
    public IReadOnlyList<ShardClaim>? Claims { get; init; }

    public long From { get; init; }

    public long? Finished { get; init; }

    public long? Gone { get; init; }

    /// <summary>Absent for a running pod, and for one that was stopped.</summary>
    public bool? Succeeded { get; init; }

    /// <summary>The last time it was known to run, if its end was not observed.</summary>
    public long? Alive { get; init; }

    public long? Seen { get; init; }

    public long? ProductSeen { get; init; }

    public ShardUsage? Usage { get; init; }
}

public sealed record ShardClaim(string Uid, int Parts, int Of);

public sealed record ShardUsage
{
    public string Epoch { get; set; } = "";

    public long Seq { get; init; }

    public long From { get; init; }

    public long To { get; init; }

    /// <summary>Present only until the API has shown the pod.</summary>
    public IReadOnlyList<string>? Devices { get; init; }

    /// <summary>The days without a shard of their own, in order.</summary>
    public IReadOnlyList<ShardDay>? Days { get; init; }

    public IReadOnlyList<ShardCounter>? Counters { get; init; }

    public ShardCheckpoint? Checkpoint { get; init; }
}

/// <summary>
/// The pod has queried for checkpoint requests. The last acknowledged request, when its checkpoint was written, and the step.
/// </summary>
public sealed record ShardCheckpoint(
    [property: JsonPropertyName("asked")] long Requested,
    string? Id = null,
    long? Done = null,
    long? Step = null
);

/// <summary>The measurements of one pod on one UTC day, counted from 1970-01-01.</summary>
public sealed record ShardDay(
    int Day,
    long Measured,
    long Busy,
    long Energy,
    long? Memory,
    IReadOnlyList<ShardTokens>? Tokens,
    long? Needed = null,
    Amount? Co2e = null,
    IReadOnlyList<ShardSince>? Since = null
);

/// <summary>The part of a day from a time on, which a limit counts from.</summary>
public sealed record ShardSince(long At, long? Energy = null, Amount? Co2e = null, long? Tokens = null);

public sealed record ShardPodDay(string Pod, ShardDay Usage);

public sealed record ShardTokens(string Model, long Prompt, long Cached, long Generated, long? Requests = null);

/// <summary>The last values of a model's counters.</summary>
public sealed record ShardCounter(string Model, long Prompt, long Cached, long Generated, long? Requests = null, bool? Other = null);

public sealed record ShardNode
{
    public string Name { get; set; } = "";

    public IReadOnlyList<ShardCapacity> Capacity { get; set; } = [];

    public IReadOnlyList<ShardLoss>? Lost { get; init; }

    public string? Epoch { get; init; }

    public long? Seq { get; init; }

    public IReadOnlyList<string>? PastEpochs { get; init; }

    public IReadOnlyDictionary<string, long>? Unattributed { get; init; }
}

public sealed record ShardKeptDay(int Day, int Shards);

/// <summary>The totals of all summed days of a namespace. The day of the usage is the last of them.</summary>
public sealed record ShardPast(string Namespace, long Reserved, ShardDay Usage);

/// <summary>The cost and usage of one workload on one day.</summary>
public sealed record ShardWork(
    string Namespace,
    string Kind,
    string Name,
    string Uid,
    WorkloadClass Class,
    Amount Spent,
    long Reserved,
    long? Unpriced,
    ShardDay Usage
);

/// <summary>The cost of all nodes on one day, and its parts without a pod.</summary>
public sealed record ShardRemainder(Amount Total, Amount Unallocated, Amount NodeLost);

/// <param name="Gpus">-1: the node is not in the cluster.</param>
/// <param name="CapacityType">Absent in records of earlier versions.</param>
public sealed record ShardCapacity(long At, int Gpus, string Product, string? CapacityType = null);

public sealed record ShardLoss(long From, long? To);

/// <summary>The last runs of one series, oldest first.</summary>
public sealed record ShardSeries(string Series, IReadOnlyList<SeriesRun> Runs);

/// <summary>A suspension. Without a target, the field is the workload's own.</summary>
public sealed record ShardSuspension
{
    public required string ApiVersion { get; init; }

    public required string Kind { get; init; }

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public ObjectRef? Target { get; init; }

    public IReadOnlyList<ObjectRef>? Also { get; init; }

    public int? Replicas { get; init; }

    public required string Field { get; init; }

    public required string Original { get; init; }

    public required string Value { get; init; }

    public required DateTimeOffset Since { get; init; }

    public required string Reason { get; init; }

    /// <summary>JSON. Empty in records of earlier versions.</summary>
    public string Cause { get; set; } = "";

    public required string Budget { get; init; }

    public required string BudgetUid { get; init; }

    /// <summary>True for a ClusterGpuBudget.</summary>
    public bool? ClusterBudget { get; init; }

    public Amount CostToFinish { get; init; }

    [JsonPropertyName("maker")]
    public ShardCronJob? CronJob { get; init; }

    public IReadOnlyDictionary<string, string?>? Labels { get; init; }

    public WorkloadClass? Class { get; init; }
}

/// <summary>The owning CronJob of a suspended run, and its original <c>suspend</c> value.</summary>
public sealed record ShardCronJob(string Kind, string Name, string Uid, string Original);

/// <summary>The fields of one object that a scaler has changed.</summary>
public sealed record ShardScaler
{
    public required string Namespace { get; init; }

    public required string ScalerName { get; init; }

    public required string ScalerUid { get; init; }

    public required ObjectRef Target { get; init; }

    public required IReadOnlyList<ShardField> Fields { get; init; }

    public required DateTimeOffset Since { get; init; }
}

public sealed record ShardField(string Pointer, string Original, string Value, string? Before = null);

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    Converters = [typeof(AmountJsonConverter)]
)]
[JsonSerializable(typeof(LedgerShard))]
public sealed partial class LedgerJson : JsonSerializerContext;
