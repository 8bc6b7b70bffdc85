using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.State;

/// <summary>A suspension of a workload by one budget. Bursar restores the values in this record only; annotations just mirror it.</summary>
public sealed record SuspensionRecord
{
    public required WorkloadKey Workload { get; init; }

    public required string ApiVersion { get; init; }

    /// <summary>The field that suspends the workload: its own, or that of the object its manager follows.</summary>
    public required FieldOverride Field { get; init; }

    /// <summary>Whether the field belongs to the workload's manager, even if it is on the workload itself.</summary>
    public bool IsThroughManager { get; init; }

    /// <summary>Objects of the same kind whose field was set too, such as the slices of an elastic job.</summary>
    public IReadOnlyList<ObjectRef> Also { get; init; } = [];

    /// <summary>The number of replicas before a suspension through another object, which its manager restores. Null: not counted.</summary>
    public int? Replicas { get; init; }

    public required DateTimeOffset Since { get; init; }

    public required string Reason { get; init; }

    /// <summary>The circumstances of the suspension, which determine a later resume.</summary>
    public required SuspendedSnapshot Cause { get; init; }

    public required string Budget { get; init; }

    public required string BudgetUid { get; init; }

    /// <summary>Whether the budget is a ClusterGpuBudget, whose state has no namespace.</summary>
    public bool IsClusterBudget { get; init; }

    /// <summary>The budget as the annotation on the workload names it.</summary>
    public string BudgetReference => $"{(IsClusterBudget ? "clustergpubudget" : "gpubudget")}/{Budget}";

    public Amount CostToFinish { get; init; }

    /// <summary>The <c>suspend</c> field of the owning CronJob, which was suspended with this run. Null: there was none.</summary>
    public FieldOverride? CronJob { get; init; }

    /// <summary>
    /// The labels that the budget's selectors use, as of the suspension; null for an absent one. Relabelling therefore cannot take a
    /// suspended workload out of a budget. Null if the selectors use none.
    /// </summary>
    public IReadOnlyDictionary<string, string?>? Labels { get; init; }

    /// <summary>The workload's class at the suspension. Null in records of earlier versions.</summary>
    public WorkloadClass? Class { get; init; }

    public string Namespace => Workload.Namespace;

    public string Kind => Workload.Kind;

    public string Name => Workload.Name;

    public string Uid => Workload.Uid;

    /// <summary>Returns the workload's labels as budgets see them: the present ones, except for the recorded ones.</summary>
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
