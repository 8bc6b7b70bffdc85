using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>Everything a scaler's decision may look at: the same snapshot gives the same decision.</summary>
public sealed record ScalerSnapshot
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    /// <summary>As <c>Deployment/chat</c>.</summary>
    public required string Target { get; init; }

    public required DateTimeOffset Now { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public required ScalerTerms Terms { get; init; }

    /// <summary>What is asked of the target now.</summary>
    public required int Replicas { get; init; }

    /// <summary>What its controller has made of it.</summary>
    public required int ActualReplicas { get; init; }

    public IReadOnlyList<ReplicaState> ReplicaStates { get; init; } = [];

    /// <summary>Requests are being worked on, or wait, in its replicas.</summary>
    public bool InFlight { get; init; }

    /// <summary>Its controller is replacing pods.</summary>
    public bool IsRollingOut { get; init; }

    /// <summary>By trigger, in their order.</summary>
    public IReadOnlyList<TriggerReading> Readings { get; init; } = [];

    public required ReplicaPrices Prices { get; init; }

    public ScalerMemory Memory { get; init; } = ScalerMemory.Empty;

    /// <summary>The budget that has suspended the target; null where none has.</summary>
    public string? SuspendedBy { get; init; }

    /// <summary>Who scales the target itself, in words that end a sentence: it is capped through them and otherwise left alone.</summary>
    public string? ScaledBy { get; init; }

    /// <summary>Why the budget that it names does not pay; null where it does, and where it names none.</summary>
    public string? BudgetProblem { get; init; }

    /// <summary>The cluster's switch says observe: nothing is written.</summary>
    public bool ObserveOnly { get; init; }

    public string Currency { get; init; } = "USD";

    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsLoading => ReplicaStates.Any(replica => replica is { Leaving: false, Ready: false, Stuck: false });
}

/// <summary>What one trigger measured.</summary>
public sealed record TriggerReading
{
    /// <summary>Of each replica that has one, in milli-units; null for triggers of the whole.</summary>
    public IReadOnlyDictionary<string, long>? PerReplica { get; init; }

    /// <summary>
    /// Of the whole: the sum or the average of the replicas, the percentile, the query's answer, the replicas of a time of day. Null:
    /// nothing to measure, or an error.
    /// </summary>
    public double? Value { get; init; }

    /// <summary>Why there is none; null where there is, and where there is nothing to measure.</summary>
    public string? Error { get; init; }

    /// <summary>When it was measured.</summary>
    public DateTimeOffset? At { get; init; }

    public static TriggerReading Failed(string error) => new() { Error = error };
}

/// <summary>
/// What replicas cost: those that run at what their pods burn, spot at its price; further ones at the dearest of these, else at what the
/// template may come to.
/// </summary>
/// <param name="Live">How many burn something.</param>
/// <param name="Burn">What they burn together.</param>
/// <param name="Next">One more; null where nothing tells its price.</param>
public readonly record struct ReplicaPrices(int Live, HourlyCost Burn, HourlyCost? Next)
{
    /// <summary>What so many replicas cost together; null where that cannot be known.</summary>
    public HourlyCost? Of(int replicas)
    {
        if (replicas <= 0)
            return HourlyCost.Zero;
        // Which of them go nobody knows: each counts the average, rounded up.
        if (replicas <= Live)
            return new HourlyCost((long)(((Int128)Burn.NanoPerHour * replicas + Live - 1) / Live));
        return Next is { } next ? Burn + next * (replicas - Live) : null;
    }

    /// <summary>The most replicas that cost no more than this together, up to a number; null where that cannot be known.</summary>
    public int? Within(HourlyCost most, int upTo)
    {
        var (low, high) = (0, upTo);
        while (low < high)
        {
            var middle = low + (high - low + 1) / 2;
            if (Of(middle) is not { } cost)
                return Of(Math.Min(upTo, Live)) is { } known && known > most ? Within(most, Live) : null;
            if (cost > most)
                high = middle - 1;
            else
                low = middle;
        }
        return low;
    }
}

/// <summary>How many replicas one purse carries.</summary>
/// <param name="Source">The budget's name, or <c>costCap</c>.</param>
/// <param name="Replicas">The most that it carries; the floor is kept whatever it says.</param>
/// <param name="AtOnce">The most that may be had at this moment, while others have not given back yet what is no longer theirs.</param>
/// <param name="PerHour">What they may cost together, where a sum is at the root of it.</param>
/// <param name="Why">A clause for people: what the number comes from.</param>
public sealed record ReplicaCap(string Source, int Replicas, int AtOnce, HourlyCost? PerHour, string Why);

/// <summary>What a scaler remembers between two looks. It is lost with the process, and begins anew as an autoscaler's does.</summary>
public sealed record ScalerMemory
{
    public static ScalerMemory Empty { get; } = new();

    public ScalingHistory History { get; init; } = ScalingHistory.Empty;

    /// <summary>When a trigger was active last; null when none was since the operator began to look.</summary>
    public DateTimeOffset? ActiveAt { get; init; }

    /// <summary>Since when each failing trigger fails, by name.</summary>
    public IReadOnlyDictionary<string, DateTimeOffset> FailingSince { get; init; } =
        new Dictionary<string, DateTimeOffset>(StringComparer.Ordinal);

    /// <summary>What was written last; null before, and when others changed it since.</summary>
    public int? Written { get; init; }

    /// <summary>The target has shown what was written.</summary>
    public bool Seen { get; init; }

    public DateTimeOffset? WrittenAt { get; init; }

    /// <summary>A write of which the caches do not show anything yet: what they show is what was.</summary>
    public bool AwaitsOwnWrite(int replicas, DateTimeOffset now) =>
        Written is { } written && !Seen && replicas != written && now - WrittenAt < Patience;

    /// <summary>A write that somebody else overwrote at once never shows; after this the cache is believed.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    internal static readonly TimeSpan ContestWindow = TimeSpan.FromMinutes(10);

    /// <summary>When others wrote something else, within ten minutes.</summary>
    public IReadOnlyList<DateTimeOffset> Reverted { get; init; } = [];

    /// <summary>Others wrote something else.</summary>
    public ScalerMemory WithReverted(DateTimeOffset now) =>
        this with
        {
            Written = null,
            Seen = false,
            Reverted = [.. Reverted.Where(at => now - at <= ContestWindow), now],
        };

    /// <summary>Since when more is wanted than there is: for the time from demand to scale.</summary>
    public DateTimeOffset? DemandSince { get; init; }

    /// <summary>After a scale call that was made.</summary>
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
