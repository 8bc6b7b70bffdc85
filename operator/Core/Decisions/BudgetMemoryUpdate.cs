using System.Collections.ObjectModel;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Carries a budget's memory from one evaluation to the next.</summary>
public static class BudgetMemoryUpdate
{
    public static BudgetMemory Begin(BudgetSnapshot budget, Amount limit)
    {
        var memory = budget.Memory;
        var appeared = memory.FirstSeen is null;
        // A limit that is lower only because a top-up's window is over did not fall, because no one changed it.
        var fell = memory.WindowKey == budget.Window.Key && memory.LastLimit is { } last && limit < last;
        if (memory.WindowKey == budget.Window.Key && memory.LastLimit is { } lower && limit > lower)
            memory = memory with { Raised = memory.Raised + 1 };
        if (memory.WindowKey != budget.Window.Key)
            memory = memory with { WindowKey = budget.Window.Key, Announced = [], ExhaustedAt = null, Overspent = null, Observed = [] };
        if (appeared || fell)
            memory = memory with
            {
                SettleFrom = appeared ? budget.CreatedAt ?? budget.Now : budget.Now,
                SettleUntil = budget.Now + budget.Terms.Settle,
            };

        // An admitted job that is missing has ended and released its reservation. A suspended job has not ended.
        var present = budget.Workloads.Select(workload => workload.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var ended = memory.Admitted.Keys.Count(uid => !present.Contains(uid));
        return (ended == 0 ? memory : WithoutAdmissions(memory, uid => !present.Contains(uid))) with
        {
            FirstSeen = memory.FirstSeen ?? budget.Now,
            LastLimit = limit,
            Freed = memory.Freed + ended,
        };
    }

    /// <summary>
    /// Returns the memory after the rules. A workload that is being suspended loses its reservation and is admitted again when it resumes.
    /// </summary>
    internal static BudgetMemory End(Plan plan) =>
        WithCheckpoints(plan.Budget.Observes ? WithoutRequests(plan.Memory) : WithRuleResults(plan.Memory, plan), plan.Budget.Workloads);

    private static BudgetMemory WithRuleResults(BudgetMemory memory, Plan plan)
    {
        var requests = plan.RememberedRequests.ToSorted();
        if (memory.Checkpoints.Count + requests.Count > 0)
            memory = memory with { Checkpoints = requests };
        if (memory.FitsSince.Count + plan.FitsSince.Count > 0)
            memory = memory with { FitsSince = plan.FitsSince };
        var suspended = plan.Actions.Where(a => a.Kind == ActionKind.Suspend).Select(a => a.Workload.Uid).ToHashSet(StringComparer.Ordinal);
        return memory.Admitted.Keys.Any(suspended.Contains) ? WithoutAdmissions(memory, suspended.Contains) : memory;
    }

    /// <summary>
    /// Whether forecasts spare a workload for now, because it was running before the budget appeared or its limit fell. The API server
    /// truncates creation times to the second, so the other time is truncated too.
    /// </summary>
    public static bool IsSettling(WorkloadSnapshot workload, BudgetMemory memory, DateTimeOffset now) =>
        // A workload suspended by another budget does not run. Sparing it would only start it before it is suspended.
        !workload.IsSuspendedByOtherBudget
        && memory.SettleFrom is { } from
        && memory.SettleUntil is { } until
        && now < until
        && workload.CreatedAt.ToUnixTimeSeconds() < from.ToUnixTimeSeconds();

    /// <summary>Clears all requests. A budget that may not act requests nothing, and requests again when it may act.</summary>
    public static BudgetMemory WithoutRequests(BudgetMemory memory) =>
        memory.Checkpoints.Count == 0 ? memory : memory with { Checkpoints = ReadOnlyDictionary<string, CheckpointRequest>.Empty };

    /// <summary>Reports the actions that Observe mode would have taken and has not reported in this window.</summary>
    internal static void ReportObserved(Plan plan)
    {
        if (!plan.Budget.Observes || plan.Budget.ReleasedAt is not null)
            return;
        var memory = plan.Memory;
        static string KeyOf(BudgetAction action) => $"{action.Workload.Uid}/{action.Kind}/{action.Reason}";
        BudgetAction[] news =
        [
            .. plan
                .Actions.Select(action => action with { Sentence = Messages.Observed(action.Sentence) })
                .Where(action =>
                    action.Kind is ActionKind.Suspend or ActionKind.Resume
                    && !memory.Observed.Contains(KeyOf(action), StringComparer.Ordinal)
                ),
        ];
        if (news.Length == 0)
            return;
        var present = plan.Budget.Workloads.Select(workload => workload.Key.Uid).ToHashSet(StringComparer.Ordinal);
        plan.Observed = news;
        plan.Memory = memory with
        {
            Observed =
            [
                .. memory
                    .Observed.Where(key => present.Contains(key[..key.IndexOf('/', StringComparison.Ordinal)]))
                    .Concat(news.Select(KeyOf))
                    .Order(StringComparer.Ordinal),
            ],
        };
    }

    private static BudgetMemory WithCheckpoints(BudgetMemory memory, IReadOnlyList<WorkloadSnapshot> workloads)
    {
        var marks = workloads
            .Where(workload => workload.Checkpoint is not null)
            .Select(workload => KeyValuePair.Create(workload.Key.Uid, workload.Checkpoint!))
            .ToSorted();
        return
            marks.Count == memory.Marks.Count && marks.All(mark => memory.Marks.TryGetValue(mark.Key, out var known) && known == mark.Value)
            ? memory
            : memory with
            {
                Marks = marks,
            };
    }

    public static IReadOnlyDictionary<string, TValue> ToSorted<TValue>(this IEnumerable<KeyValuePair<string, TValue>> pairs)
    {
        SortedDictionary<string, TValue>? sorted = null;
        foreach (var (key, value) in pairs)
            (sorted ??= new(StringComparer.Ordinal))[key] = value;
        return sorted ?? (IReadOnlyDictionary<string, TValue>)ReadOnlyDictionary<string, TValue>.Empty;
    }

    private static BudgetMemory WithoutAdmissions(BudgetMemory memory, Func<string, bool> gone) =>
        memory with
        {
            Admitted = memory.Admitted.Where(a => !gone(a.Key)).ToSorted(),
        };
}
