using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>Everything that a scaler's decision depends on. The same snapshot gives the same decision.</summary>
public sealed record ScalerSnapshot
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>Such as <c>Deployment/chat</c>.</summary>
    public required string Target { get; init; }

    public required DateTimeOffset Now { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required ScalerTerms Terms { get; init; }

    /// <summary>The present replicas of the target's scale.</summary>
    public required int Replicas { get; init; }

    /// <summary>The replicas that its controller reports.</summary>
    public required int ActualReplicas { get; init; }

    public IReadOnlyList<ReplicaState> ReplicaStates { get; init; } = [];

    /// <summary>Whether its replicas have running or queued requests.</summary>
    public bool InFlight { get; init; }

    /// <summary>Whether its controller is replacing pods.</summary>
    public bool IsRollingOut { get; init; }

    /// <summary>The readings in the order of the triggers.</summary>
    public IReadOnlyList<TriggerReading> Readings { get; init; } = [];

    public required ReplicaPrices Prices { get; init; }

    public ScalerMemory Memory { get; init; } = ScalerMemory.Empty;

    /// <summary>The budget that has suspended the target. Null: none.</summary>
    public string? SuspendedBy { get; init; }

    /// <summary>The autoscaler that scales the target, as the end of a sentence. Bursar only caps it there. Null: none.</summary>
    public string? ScaledBy { get; init; }

    /// <summary>Why the budget it names cannot be used. Null: it can, or none is named.</summary>
    public string? BudgetProblem { get; init; }

    /// <summary>The cluster is in observe-only mode, so nothing is written.</summary>
    public bool ObserveOnly { get; init; }

    public string Currency { get; init; } = "USD";

    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsLoading => ReplicaStates.Any(replica => replica is { Leaving: false, Ready: false, Stuck: false });
}

/// <summary>The measurement of one trigger.</summary>
public sealed record TriggerReading
{
    /// <summary>The value of each replica that has one, in milli-units. Null for triggers of the whole target.</summary>
    public IReadOnlyDictionary<string, long>? PerReplica { get; init; }

    /// <summary>
    /// The value of the whole target: the sum or average of the replicas, the percentile, the query's result, or the replicas of a
    /// schedule. Null: nothing to measure, or an error.
    /// </summary>
    public double? Value { get; init; }

    /// <summary>Why there is no value. Null: there is one, or nothing to measure.</summary>
    public string? Error { get; init; }

    /// <summary>The time of the measurement.</summary>
    public DateTimeOffset? At { get; init; }

    public static TriggerReading Failed(string error) => new() { Error = error };
}

/// <summary>
/// The prices of replicas: running ones at the rate of their pods, so spot replicas at their price; further ones at the most expensive of
/// these, otherwise at the rate of the template.
/// </summary>
/// <param name="Live">The number of replicas with a rate.</param>
/// <param name="Burn">Their rate together.</param>
/// <param name="Next">The rate of one more. Null: unknown.</param>
public readonly record struct ReplicaPrices(int Live, HourlyCost Burn, HourlyCost? Next)
{
    /// <summary>Returns the rate of so many replicas together. Null: unknown.</summary>
    public HourlyCost? RateOf(int replicas)
    {
        if (replicas <= 0)
            return HourlyCost.Zero;
        // Which of them would go is unknown, so each counts with the average, rounded up.
        if (replicas <= Live)
            return new HourlyCost((long)(((Int128)Burn.NanoPerHour * replicas + Live - 1) / Live));
        return Next is { } next ? Burn + next * (replicas - Live) : null;
    }

    /// <summary>Returns the most replicas, up to a number, whose rate is at most this. Null: unknown.</summary>
    public int? Within(HourlyCost most, int upTo)
    {
        var (low, high) = (0, upTo);
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (RateOf(middle) is not { } cost)
                return RateOf(Math.Min(upTo, Live)) is { } known && known > most ? Within(most, Live) : null;
            if (cost > most)
                high = middle - 1;
            else
                low = middle;
        }
        return low;
    }
}

/// <summary>A cap on replicas.</summary>
/// <param name="Source">The budget's name, or <c>costCap</c>.</param>
/// <param name="Replicas">The most affordable replicas. Minimum replicas are kept regardless.</param>
/// <param name="AtOnce">The most replicas at this time, while other scalers still use more than their share.</param>
/// <param name="PerHour">The rate that the cap is derived from. Null: none.</param>
/// <param name="Why">A clause that explains the cap.</param>
public sealed record ReplicaCap(string Source, int Replicas, int AtOnce, HourlyCost? PerHour, string Why);

/// <summary>The memory of a scaler between two evaluations. It is lost with the process, like an HPA's.</summary>
public sealed record ScalerMemory
{
    public static ScalerMemory Empty { get; } = new();

    public ScalingHistory History { get; init; } = ScalingHistory.Empty;

    /// <summary>When a trigger was last active. Null: not since the operator started.</summary>
    public DateTimeOffset? ActiveAt { get; init; }

    /// <summary>Since when each failing trigger has failed, by name.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> FailingSince { get; init; } =
        new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>The last written replicas. Null: none, or another actor has changed them.</summary>
    public int? Written { get; init; }

    /// <summary>Whether the target has shown the written value.</summary>
    public bool Seen { get; init; }

    public DateTimeOffset? WrittenAt { get; init; }

    /// <summary>Whether the caches do not show Bursar's last write yet.</summary>
    public bool AwaitsOwnWrite(int replicas, DateTimeOffset now) =>
        Written is { } written && !Seen && replicas != written && now - WrittenAt < Patience;

    /// <summary>A write that another actor overwrote at once is never seen. After this time the cache is trusted.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    internal static readonly TimeSpan ContestWindow = TimeSpan.FromMinutes(10);

    /// <summary>When other actors changed the replicas, within ten minutes.</summary>
    public IReadOnlyList<DateTimeOffset> Reverted { get; init; } = [];

    /// <summary>Records that another actor changed the replicas.</summary>
    public ScalerMemory WithReverted(DateTimeOffset now) =>
        this with
        {
            Written = null,
            Seen = false,
            Reverted = [.. Reverted.Where(at => now - at <= ContestWindow), now],
        };

    /// <summary>Since when more replicas are wanted than present, for measuring the time to scale.</summary>
    public DateTimeOffset? DemandSince { get; init; }

    /// <summary>Records a scale call.</summary>
    public ScalerMemory WithScaled(int from, int to, ScalingBehavior behavior, DateTimeOffset now) =>
        this with
        {
            History = History.WithScaled(from, to, behavior, now),
            Written = to,
            WrittenAt = now,
            Seen = false,
            DemandSince = null,
        };
}
