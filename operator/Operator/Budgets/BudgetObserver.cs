using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Kubernetes.Informers;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Reads all inputs of a decision into one snapshot, from synced caches, the ledger and the operator's state. It writes nothing.
/// </summary>
internal sealed class BudgetObserver(
    ClusterStores stores,
    GpuLedger ledger,
    OperatorState state,
    WorkloadObserver workloads,
    MeteringObserver metering,
    IdleObserver idle,
    ObserveOnlyMode control,
    DecisionStore decisions,
    TimeProvider time
)
{
    private static readonly TimeSpan Reaction = TimeSpan.FromSeconds(10);

    /// <summary>
    /// The time from the use of a GPU until the ledger has its measurement: an agent ends an interval after a minute, and its report is read
    /// within 15 seconds.
    /// </summary>
    private static readonly TimeSpan MeasuringDelay = TimeSpan.FromSeconds(80);

    private readonly BudgetHierarchy _hierarchy = new(stores);

    public BudgetSnapshot Observe(ReadBudget budget)
    {
        var (now, window, to) = Times(budget);
        var facts = new BudgetFacts(
            budget,
            now,
            budget
                .Namespaces.SelectMany(ns => ledger.SpentByWorkload(ns, budget.Selector, window.Start, to, now, budget.Terms.Counted))
                .ToDictionary(s => s.Workload.Uid, StringComparer.Ordinal),
            state.SuspensionsBy(budget.Uid).ToDictionary(p => p.Uid, StringComparer.Ordinal),
            state.SuspendedByOthers(budget.Namespaces, budget.Uid),
            state.BudgetMemory(budget.Uid),
            new(() => metering.RunningOn(now)),
            NotCoveredByOthers(budget)
        );
        return Observe(facts, window, to, stores.Kinds.SelectMany(cache => budget.Namespaces.SelectMany(cache.In)));
    }

    /// <summary>
    /// Observes the limits of a label's values, in their order. Their common inputs are read once, because there may be a thousand of them.
    /// </summary>
    /// <param name="budget">The budget that the limits belong to.</param>
    /// <param name="key">The key of the label.</param>
    /// <param name="limits">The limits.</param>
    public IReadOnlyList<BudgetSnapshot> Observe(ReadBudget budget, string key, IReadOnlyList<ReadBudget> limits)
    {
        if (limits.Count == 0)
            return [];
        var (now, window, to) = Times(budget);
        var spends = budget
            .Namespaces.SelectMany(ns => ledger.SpentByLabel(ns, budget.Selector, key, window.Start, to, now, limits[0].Terms.Counted))
            .ToLookup(one => one.Value, one => one.Spend, StringComparer.Ordinal);
        var workloads = stores
            .Kinds.SelectMany(cache => budget.Namespaces.SelectMany(cache.In))
            .Where(work => work.HasGpus || work.Unreadable is not null)
            .ToArray();
        var byValue = workloads.ToLookup(work => work.Labels.GetValueOrDefault(key), StringComparer.Ordinal);
        var byUid = new Lazy<ILookup<string, WorkloadObject>>(() => workloads.ToLookup(work => work.Metadata.Uid, StringComparer.Ordinal));
        var records = state.SuspendedByOthers(budget.Namespaces, "");
        var notCovered = NotCoveredByOthers(limits[0]);
        var running = new Lazy<Dictionary<string, RunningPods>>(() => metering.RunningOn(now));
        return
        [
            .. limits.Select(limit =>
            {
                var own = state.SuspensionsBy(limit.Uid).ToDictionary(p => p.Uid, StringComparer.Ordinal);
                var value = limit.Object.LimitName![(key.Length + 1)..];
                // A suspended workload stays in its limit when it is relabelled.
                var selected = byValue[value].Concat(own.Keys.SelectMany(uid => byUid.Value[uid])).Distinct().ToArray();
                var facts = new BudgetFacts(
                    limit,
                    now,
                    spends[value].ToDictionary(s => s.Workload.Uid, StringComparer.Ordinal),
                    own,
                    selected
                        .SelectMany(work => records[work.Metadata.Uid])
                        .Where(record => record.BudgetUid != limit.Uid)
                        .ToLookup(record => record.Uid, StringComparer.Ordinal),
                    state.BudgetMemory(limit.Uid),
                    running,
                    notCovered
                );
                return Observe(facts, window, to, selected);
            }),
        ];
    }

    private (DateTimeOffset Now, Window Window, DateTimeOffset To) Times(ReadBudget budget)
    {
        var now = time.GetUtcNow();
        var window = Window.At(budget.Terms.Window, now);
        return (now, window, window.End < now ? window.End : now);
    }

    private BudgetSnapshot Observe(BudgetFacts facts, Window window, DateTimeOffset to, IEnumerable<WorkloadObject> candidates)
    {
        var (budget, now, spends) = (facts.Budget, facts.Now, facts.Spends);
        var work = new List<WorkloadSnapshot>();
        foreach (var one in candidates)
            if (workloads.Observe(one, facts) is { } observed)
                work.Add(observed);
        // Include every workload that costs money, whatever its object says.
        var listed = work.Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var ending = Amount.Zero;
        foreach (var spend in spends.Values.Where(s => s.Gpus > 0 && !listed.Contains(s.Workload.Uid)))
            if (workloads.ObserveUnlisted(spend, facts) is { } observed)
                work.Add(observed);
            else
                ending += spend.RatePerHour.For(workloads.TimeToEnd(spend.Workload.Uid, now) + Reaction);
        var snapshot = new BudgetSnapshot
        {
            Namespace = budget.Namespace,
            Name = budget.Name,
            Uid = budget.Uid,
            Now = now,
            CreatedAt = budget.Object.Metadata.CreationTimestamp,
            Terms = budget.Terms,
            Window = window,
            Spent = spends.Values.Aggregate(Amount.Zero, (sum, s) => sum + s.Spent),
            OutsideSelector = budget.Object.PartOf is null ? Outside(budget, window.Start, to, now) : Amount.Zero,
            BurnRate = spends.Values.Aggregate(HourlyCost.Zero, (sum, s) => sum + s.RatePerHour),
            Workloads = idle.AddTo(work, budget, now),
            Ending = ending,
            RollingSpend =
                budget.Terms.Window.Period == WindowPeriod.Rolling
                    ? [.. budget.Namespaces.SelectMany(ns => ledger.Segments(ns, budget.Selector, window.Start, now, budget.Terms.Counted))]
                    : [],
            Memory = facts.Memory,
            ReactionTime = budget.Terms.Counted.IsMeasured ? Reaction + MeasuringDelay : Reaction,
            LacksGridIntensity = budget.Object.PartOf is null && ledger.GridIntensity is null && GpuBudgetReader.CountsCo2e(budget.Object),
            BreakerAllowance = control.Breaker.Allowance(now),
            ObserveOnly = control.ObserveOnly,
            ReleasedAt = ReleaseMark
                .InForce(
                    budget.Object.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.Released),
                    budget.Object.Metadata.Generation,
                    budget.Terms.Window,
                    now
                )
                ?.At,
            SpecFault = budget.Object.Refusal is { } refusal ? BudgetStatus.Message(refusal) : null,
            Parents = budget.Object.PartOf is null ? _hierarchy.ParentsOf(budget) : [],
            Children = budget.Object.PartOf is null ? _hierarchy.ChildrenOf(budget, window, now) : [],
            Ended = Ended(spends.Values, work, facts.Memory),
        };
        return metering.AddTo(snapshot, budget.Namespaces, spends);
    }

    /// <summary>Returns the most expensive workloads that have ended, as many as the status lists.</summary>
    private static IReadOnlyList<EndedWorkload> Ended(
        IReadOnlyCollection<WorkloadSpend> spends,
        IReadOnlyList<WorkloadSnapshot> work,
        BudgetMemory memory
    )
    {
        var present = work.Select(one => one.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var steps = memory.Ended.ToDictionary(one => one.Uid, StringComparer.Ordinal);
        return
        [
            .. spends
                .Where(one => one.Gpus == 0 && one.Spent > Amount.Zero && !present.Contains(one.Workload.Uid))
                .OrderByDescending(one => one.Spent)
                .ThenBy(one => one.Workload.Name, StringComparer.Ordinal)
                .Take(BudgetStatus.MostEnded)
                .Select(one => new EndedWorkload(
                    one.Workload,
                    one.Class,
                    one.Spent,
                    steps.GetValueOrDefault(one.Workload.Uid)?.Step,
                    UnitCosts.From(WholeDayUsage.From([one]), null, null) with
                    {
                        Step = steps.GetValueOrDefault(one.Workload.Uid)?.PerStep,
                    }
                )),
        ];
    }

    private ILookup<string, BudgetObject> NotCoveredByOthers(ReadBudget budget) =>
        NotCoveredBy(
            budget
                .Namespaces.SelectMany(stores.Coverage.WithLimitsIn)
                .Where(other => other.Metadata.Uid != budget.Uid && !budget.Object.IsLimitOfOtherValue(other))
                .Distinct()
                .OrderBy(one => one.Metadata.Name, StringComparer.Ordinal),
            decisions,
            state
        );

    /// <summary>Returns the budgets that do not let a workload run, by workload UID, from their latest decisions.</summary>
    internal static ILookup<string, BudgetObject> NotCoveredBy(
        IEnumerable<BudgetObject> budgets,
        DecisionStore decisions,
        OperatorState state
    ) =>
        budgets
            .SelectMany(budget =>
                // A leader that has just begun knows the suspensions only.
                (decisions.NotCoveredBy(budget) ?? state.SuspensionsBy(budget.Metadata.Uid).Select(record => record.Uid)).Select(uid =>
                    (Uid: uid, Budget: budget)
                )
            )
            .ToLookup(one => one.Uid, one => one.Budget, StringComparer.Ordinal);

    private Amount Outside(ReadBudget budget, DateTimeOffset from, DateTimeOffset to, DateTimeOffset now)
    {
        var outside = Amount.Zero;
        foreach (var ns in budget.Namespaces)
        {
            var selectors = new List<LabelSelector>();
            foreach (var other in stores.Coverage.In(ns))
                if (GpuBudgetReader.TryReadSelector(other, out var selector))
                    selectors.Add(selector);
            outside += ledger.OutsideSelectors(ns, selectors, from, to, now);
        }
        return outside;
    }
}

/// <summary>Inputs of a budget's pass that are read before the workloads.</summary>
/// <param name="Budget">The budget.</param>
/// <param name="Now">The time of the pass.</param>
/// <param name="Spends">The cost in this window, by workload UID.</param>
/// <param name="Suspensions">This budget's suspensions, by workload UID.</param>
/// <param name="SuspendedByOtherBudgets">The suspensions of other budgets, by workload UID.</param>
/// <param name="Memory">The memory of the budget's previous decision.</param>
/// <param name="NotCoveredByOthers">The other budgets that do not let a workload run now, by workload UID.</param>
/// <param name="Running">Billed pods that still run, by workload UID. Read once, and only if a workload is stopped or unlisted.</param>
internal sealed record BudgetFacts(
    ReadBudget Budget,
    DateTimeOffset Now,
    Dictionary<string, WorkloadSpend> Spends,
    Dictionary<string, SuspensionRecord> Suspensions,
    ILookup<string, SuspensionRecord> SuspendedByOtherBudgets,
    BudgetMemory Memory,
    Lazy<Dictionary<string, RunningPods>> Running,
    ILookup<string, BudgetObject> NotCoveredByOthers
);
