using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>A stored object of the state: a budget, a part of one, the series of a namespace, or what its scalers changed.</summary>
internal sealed class StateShard(string name, string kind) : ShardState(name, kind)
{
    /// <summary>Null in a part, which holds suspensions only.</summary>
    public BudgetState? Budget { get; init; }

    /// <summary>In a part, the budget's own shard.</summary>
    public StateShard? PartOf { get; init; }

    /// <summary>The suspensions of a budget that fit this shard.</summary>
    public List<SuspensionRecord> Suspensions { get; } = [];

    /// <summary>The last completed runs, by series.</summary>
    public SortedDictionary<string, List<SeriesRun>> Series { get; } = new(StringComparer.Ordinal);

    /// <summary>The records of scalers that fit this shard.</summary>
    public List<ScalerRecord> Scalers { get; } = [];

    public override bool IsEmpty =>
        Suspensions.Count == 0 && Series.Count == 0 && Scalers.Count == 0 && Budget is not { IsEmpty: false } and not { Parts.Count: > 0 };
}

/// <summary>The state of one budget besides its suspensions.</summary>
internal sealed class BudgetState(string uid)
{
    public string Uid { get; } = uid;

    public string Name { get; set; } = "";

    public BudgetMemory? Memory { get; set; }

    /// <summary>Shards for suspensions that do not fit the budget's own.</summary>
    public List<StateShard> Parts { get; } = [];

    public List<DecisionRecord> Decisions { get; } = [];

    public CountedWindow? Open { get; set; }

    public List<ClosedWindow> Closed { get; } = [];

    public IReadOnlyList<GrantRecord> Grants { get; set; } = [];

    /// <summary>The loans to this budget in its windows, oldest first.</summary>
    public IReadOnlyList<LoanRecord> Loans { get; set; } = [];

    /// <summary>Its spending by day or hour. Null: no whole one is over yet.</summary>
    public SpendingHistory? Spending { get; set; }

    public bool IsEmpty => Memory is null && Decisions.Count == 0 && Open is null && Grants.Count == 0 && Loans.Count == 0;
}
