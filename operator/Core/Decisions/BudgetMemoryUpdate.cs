using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Carries a budget's memory from one evaluation into the next.</summary>
public static class BudgetMemoryUpdate
{
    public static BudgetMemory Begin(BudgetSnapshot budget, Amount limit)
    {
        var memory = budget.Memory;
        var appeared = memory.FirstSeen is null;
        // A limit that is lower because a top-up's window is over did not fall: nobody changed anything.
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

        // An admitted job that is no longer there has ended, and freed whatever was still reserved for it. One that is
        // suspended has not ended: its money is what made it be suspended.
        var present = budget.Workloads.Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var ended = memory.Admitted.Keys.Count(uid => !present.Contains(uid));
        return (ended == 0 ? memory : Without(memory, uid => !present.Contains(uid))) with
        {
            FirstSeen = memory.FirstSeen ?? budget.Now,
            LastLimit = limit,
            Freed = memory.Freed + ended,
        };
    }

    /// <summary>The memory after the rules. What is being suspended gives its reservation back; it is admitted anew when it resumes.</summary>
    internal static BudgetMemory End(Plan plan) =>
        Marked(plan.Budget.Observes ? WithoutRequests(plan.Memory) : Carried(plan.Memory, plan), plan.Budget.Workloads);

    private static BudgetMemory Carried(BudgetMemory memory, Plan plan)
    {
        var requests = plan.RememberedRequests.ToSorted();
        if (memory.Checkpoints.Count + requests.Count > 0)
            memory = memory with { Checkpoints = requests };
        if (memory.FitsSince.Count + plan.FitsSince.Count > 0)
            memory = memory with { FitsSince = plan.FitsSince };
        var suspended = plan.Actions.Where(a => a.Kind == ActionKind.Suspend).Select(a => a.Workload.Uid).ToHashSet(StringComparer.Ordinal);
        return memory.Admitted.Keys.Any(suspended.Contains) ? Without(memory, suspended.Contains) : memory;
    }

    /// <summary>
    /// Work that was running before the budget appeared or its limit fell is spared by forecasts for a while. The API
    /// cuts creation times to the second, so the moment it is held against is cut as well: a job made half a second after
    /// the budget is not older than it.
    /// </summary>
    public static bool IsSettling(WorkloadSnapshot work, BudgetMemory memory, DateTimeOffset now) =>
        // What another budget holds does not run: sparing it would only start it to be stopped again.
        !work.IsSuspendedByOtherBudget
        && memory.SettleFrom is { } from
        && memory.SettleUntil is { } until
        && now < until
        && work.CreatedAt.ToUnixTimeSeconds() < from.ToUnixTimeSeconds();

    /// <summary>Who may not act asks for nothing: what waits begins anew when it may again.</summary>
    public static BudgetMemory WithoutRequests(BudgetMemory memory) =>
        memory.Checkpoints.Count == 0
            ? memory
            : memory with
            {
                Checkpoints = new SortedDictionary<string, CheckpointRequest>(StringComparer.Ordinal),
            };

    /// <summary>The actions that Observe mode would have taken and has not reported in this window yet.</summary>
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
        var present = plan.Budget.Workloads.Select(work => work.Key.Uid).ToHashSet(StringComparer.Ordinal);
        plan.Observed = news;
        plan.Memory = memory with
        {
            Observed =
            [
                .. memory
                    .Observed.Where(one => present.Contains(one[..one.IndexOf('/', StringComparison.Ordinal)]))
                    .Concat(news.Select(KeyOf))
                    .Order(StringComparer.Ordinal),
            ],
        };
    }

    /// <summary>The checkpoints that were told of, of the work that there is.</summary>
    private static BudgetMemory Marked(BudgetMemory memory, IReadOnlyList<WorkloadSnapshot> work)
    {
        var marks = work.Where(w => w.Checkpoint is not null).Select(w => KeyValuePair.Create(w.Key.Uid, w.Checkpoint!)).ToSorted();
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
        var sorted = new SortedDictionary<string, TValue>(StringComparer.Ordinal);
        foreach (var (key, value) in pairs)
            sorted[key] = value;
        return sorted;
    }

    private static BudgetMemory Without(BudgetMemory memory, Func<string, bool> gone) =>
        memory with
        {
            Admitted = memory.Admitted.Where(a => !gone(a.Key)).ToSorted(),
        };
}
