namespace Bursar.Core.Decisions;

/// <summary>
/// Reports workloads whose GPUs are idle, and suspends them if the budget says so (<c>idle.action: Suspend</c>). It compares measurements
/// only and no amounts, so it acts whatever is left of the budget. Only a user resumes such a workload
/// (<see cref="ResumeRule.Cause"/>). Otherwise it would be resumed and suspended in a loop.
/// </summary>
internal static class IdleRule
{
    public static void Evaluate(Plan plan, CostedWorkload workload)
    {
        var (snapshot, budget) = (workload.Snapshot, plan.Budget);
        if (
            IdleSince(snapshot, budget) is { } since
            && WorkloadCost.IsSuspendableWhenIdle(snapshot, budget)
            && !BudgetMemoryUpdate.IsSettling(snapshot, plan.Memory, budget.Now)
        )
            plan.Suspend(workload, Reasons.SuspendedIdle, Messages.IdleSuspended(workload, budget, since), byForecast: true);
    }

    /// <summary>
    /// Returns since when a workload has been idle. Null: it is not, or its activity is not known for the whole of
    /// <see cref="IdleTerms.After"/>.
    /// </summary>
    public static DateTimeOffset? IdleSince(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        budget.Terms.Idle is { } terms
        && workload is { State: WorkloadState.Running, QuietSince: { } since }
        && budget.Now - since >= terms.After
            ? since
            : null;

    /// <summary>
    /// Whether a suspended workload, or one with a checkpoint request, was idle and its user has not resumed or approved it yet.
    /// </summary>
    public static bool WaitsForUser(SuspendedSnapshot suspended, WorkloadSnapshot workload) =>
        suspended.Reason == Reasons.SuspendedIdle && !(workload.ResumeApproved && !suspended.Approved);

    /// <summary>Reports each idle workload that keeps running, once until it works again.</summary>
    public static void Announce(Plan plan)
    {
        var budget = plan.Budget;
        var before = plan.Memory.Idle ?? new SortedDictionary<string, DateTimeOffset>();
        var idle = new SortedDictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        foreach (var workload in plan.Workloads)
        {
            var reported = before.TryGetValue(workload.Uid, out var known);
            if (IdleSince(workload.Snapshot, budget) is not { } since)
            {
                // While nothing measures it, it is not known to work again.
                if (reported && budget.Terms.Idle is not null && workload.Snapshot is { State: WorkloadState.Running, QuietSince: null })
                    idle[workload.Uid] = known;
                continue;
            }
            if (plan.IsSuspending(workload))
                continue;
            idle[workload.Uid] = reported ? known : since;
            if (!reported)
                plan.Announce(
                    new(
                        Reasons.IdleGpus,
                        $"{budget.Name}/{workload.Uid}/{since.ToUnixTimeSeconds()}",
                        Messages.IdleGpus(workload, budget, since),
                        Warning: true,
                        workload.Snapshot.Key
                    )
                );
        }
        if (idle.Count != before.Count || idle.Any(entry => !before.TryGetValue(entry.Key, out var known) || known != entry.Value))
            plan.Memory = plan.Memory with { Idle = idle.Count > 0 ? idle : null };
    }
}
