using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.State;

/// <summary>
/// A suspension of a workload by one budget. Bursar restores the values in this record and nothing else; annotations only
/// mirror it.
/// </summary>
public sealed record SuspensionRecord
{
    public required WorkloadKey Workload { get; init; }

    public required string ApiVersion { get; init; }

    /// <summary>The field that stops the workload: its own, or that of the object which its manager follows.</summary>
    public required FieldOverride Field { get; init; }

    /// <summary>Whether the field belongs to the workload's manager. It may do so although it stands on the workload.</summary>
    public bool IsThroughManager { get; init; }

    /// <summary>Objects of the same kind whose field was set too, as the slices of an elastic job.</summary>
    public IReadOnlyList<ObjectRef> Also { get; init; } = [];

    /// <summary>The number of replicas before a suspension through another object, whose manager brings them back. Null: not counted.</summary>
    public int? Replicas { get; init; }

    public required DateTimeOffset Since { get; init; }

    public required string Reason { get; init; }

    /// <summary>The circumstances of the suspension, on which a later resume depends.</summary>
    public required SuspendedSnapshot Cause { get; init; }

    public required string Budget { get; init; }

    public required string BudgetUid { get; init; }

    public Amount CostToFinish { get; init; }

    /// <summary>The switch of the owning CronJob, which was suspended with this run; null if there was none.</summary>
    public FieldOverride? CronJob { get; init; }

    /// <summary>
    /// The labels that the budget's selectors asked about at the suspension, <c>null</c> for one that was absent. Relabelling cannot take a suspended
    /// workload out of a budget. Null if the selectors asked about none.
    /// </summary>
    public IReadOnlyDictionary<string, string?>? Labels { get; init; }

    /// <summary>The workload's class at the suspension. Null in old records.</summary>
    public WorkloadClass? Class { get; init; }

    public string Namespace => Workload.Namespace;

    public string Kind => Workload.Kind;

    public string Name => Workload.Name;

    public string Uid => Workload.Uid;

    /// <summary>Returns the workload's labels as they count for budgets: those of now, except for the recorded ones.</summary>
    public IReadOnlyDictionary<string, string> Keep(IReadOnlyDictionary<string, string> now)
    {
        if (Labels is null)
            return now;
        var kept = now.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.Ordinal);
        foreach (var (key, then) in Labels)
            if (then is null)
                kept.Remove(key);
            else
                kept[key] = then;
        return kept;
    }
}
