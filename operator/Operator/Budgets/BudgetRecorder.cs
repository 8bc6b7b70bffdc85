using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Records the results of a pass that later passes, leaders and reports need: the budget's memory with the progress of its jobs, the spec
/// in force, the circuit breaker, and closed windows.
/// </summary>
internal sealed class BudgetRecorder(
    ClusterStores stores,
    GpuLedger ledger,
    OperatorState state,
    ProgressTracker progress,
    ObserveOnlyMode control,
    RequestObserver requests,
    int keptDays,
    TimeProvider time
)
{
    /// <summary>Most windows to close in one pass, after a long absence of the operator.</summary>
    private const int MostWindows = 400;

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMinutes(5);
    private const int StoredProgressPoints = 6;

    /// <summary>Number of ended training workloads whose last step is kept.</summary>
    private const int MostEnded = 100;

    private readonly ConcurrentDictionary<string, DateTimeOffset> _progressStored = new(StringComparer.Ordinal);

    /// <summary>
    /// Progress of existing workloads, by budget UID, kept until the workload is gone. Only the reconcile of the budget uses its entry, and
    /// a budget has one reconcile at a time.
    /// </summary>
    private readonly ConcurrentDictionary<string, Dictionary<string, EndedTraining>> _training = new(StringComparer.Ordinal);

    /// <summary>Restores the spec in force of a budget whose latest spec is invalid.</summary>
    public void RestoreSpec(BudgetObject budget)
    {
        if (budget.Refusal is { InForce: null })
            SpecRefusal.Restore(budget, state.BudgetMemory(budget.Metadata.Uid));
    }

    /// <summary>
    /// Returns the namespaces of a budget that exist, and for a ClusterGpuBudget also deleted ones with spending in its window. Otherwise
    /// deleting a namespace would return its spending to the budget.
    /// </summary>
    public IReadOnlyList<string> NamespacesOf(BudgetObject budget, BudgetTerms terms)
    {
        var existing = stores.Coverage.NamespacesOf(budget);
        if (GpuBudgetReader.CoverageOf(budget) is not { } coverage)
            return existing;
        // The labels of a deleted namespace are not known any more, so it is covered if it was before.
        var before = coverage.Selector is null ? [] : state.BudgetMemory(budget.Metadata.Uid).Namespaces ?? [];
        var now = time.GetUtcNow();
        var window = Window.At(terms.Window, now);
        // The window before may not be closed yet.
        var from = state.OpenWindow(budget.Metadata.Uid) is { } open && open.Start < window.Start ? open.Start : window.Start;
        var deleted = before
            .Union(coverage.Names, StringComparer.Ordinal)
            .Except(existing, StringComparer.Ordinal)
            .Where(ns =>
                stores.Namespaces.Store.Get(null, ns) is null
                && ledger.Spent(ns, LabelSelector.Everything, from, window.End, now, terms.Counted) > Amount.Zero
            )
            .ToArray();
        return deleted.Length == 0 ? existing : [.. existing.Concat(deleted).Order(StringComparer.Ordinal)];
    }

    /// <summary>
    /// Tells the ledger the edges of the windows whose limits count measurements, so that it divides later measurements there. Called for
    /// every budget before the first report is read, and then on each pass.
    /// </summary>
    public void SetCuts(BudgetObject budget)
    {
        if (GpuBudgetReader.Read(budget, out var terms, out _, out _).Count > 0)
            return;
        IReadOnlyList<DateTimeOffset> cuts = [];
        if (GpuBudgetReader.CountsMeasured(budget))
        {
            var window = Window.At(terms!.Window, time.GetUtcNow());
            // The window before is closed after its end. A Once window has none, and may begin with the calendar.
            cuts =
                terms.Window.Period == WindowPeriod.Once
                    ? [window.Start, window.End]
                    : [Window.At(terms.Window, window.Start.AddMilliseconds(-1)).Start, window.Start, window.End];
        }
        ledger.SetCuts(budget.Metadata.Uid, cuts);
    }

    /// <summary>Restores, once per leader, the stored progress of a budget's jobs.</summary>
    public void RestoreProgress(ReadBudget budget)
    {
        if (_progressStored.ContainsKey(budget.Uid))
            return;
        _progressStored[budget.Uid] = time.GetUtcNow();
        foreach (var (uid, series) in state.BudgetMemory(budget.Uid).Progress)
            progress.Restore(uid, series);
    }

    /// <summary>Records a decision in the state before the actor carries it out.</summary>
    public void Record(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        if (decision.Conditions.Any(c => c is { Type: ConditionTypes.BreakerOpen, Status: true }))
            control.Breaker.Open(decision.At);
        var entity = budget.Object;
        var memory = WithEnded(budget, snapshot, WithProgress(budget, snapshot, decision)) with
        {
            BreakerOpenSince = control.Breaker.OpenSince,
            // A limit inside a budget has the budget's spec.
            Spec =
                entity.PartOf is not null ? null
                : snapshot.Memory is { Spec: { } spec } && snapshot.Memory.SpecGeneration == entity.SpecGeneration ? spec
                : SpecRefusal.Store(entity),
            SpecGeneration = entity.SpecGeneration,
            Namespaces = budget.IsCluster && entity.PartOf is null ? budget.Namespaces : null,
        };
        state.SetBudgetMemory(budget.Namespace, budget.Name, budget.Uid, memory);
    }

    /// <summary>
    /// Records the current window and the cost of the windows that ended since, before the budget is observed. Returns what the current
    /// window carried over.
    /// </summary>
    /// <param name="now">The time of the snapshot, so that both see the same window.</param>
    public Amount BeginWindow(ReadBudget budget, DateTimeOffset now) => BeginWindow(ledger, state, budget, now, keptDays, Read, Exists);

    /// <param name="read">Returns the budget with a UID; null if it does not exist or has no valid spec.</param>
    internal static Amount BeginWindow(
        GpuLedger ledger,
        OperatorState state,
        ReadBudget budget,
        DateTimeOffset now,
        int keptDays,
        Func<string, ReadBudget?> read,
        Func<string, bool> exists
    )
    {
        var begun = new HashSet<string>(StringComparer.Ordinal);
        return Begin(budget);

        // A past loan of a budget depends on the part that its borrowers used, so their windows are recorded first.
        Amount Begin(ReadBudget one)
        {
            begun.Add(one.Uid);
            foreach (var uid in state.BorrowersFrom(one.Uid))
                if (!begun.Contains(uid) && read(uid) is { } borrower)
                    Begin(borrower);
            return RecordWindows(ledger, state, one, now, keptDays, uid => read(uid)?.Terms.Counted.Unit, exists);
        }
    }

    private bool Exists(string budgetUid) => stores.Coverage.Find(budgetUid) is not null;

    private ReadBudget? Read(string budgetUid)
    {
        if (stores.Coverage.Find(budgetUid) is not { } entity)
            return null;
        RestoreSpec(entity);
        return GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt).Count == 0
            ? new(entity, terms!, selector, exempt, NamespacesOf(entity, terms!))
            : null;
    }

    /// <summary>
    /// Records the cost of each window of a budget that has ended, because its entries are compacted later. Returns what the current window
    /// carried over.
    /// </summary>
    /// <param name="unitOf">The unit that the budget with a UID counts, which may have lent to this one; null if it is unknown.</param>
    /// <param name="exists">Whether the budget with a UID exists.</param>
    internal static Amount RecordWindows(
        GpuLedger ledger,
        OperatorState state,
        ReadBudget budget,
        DateTimeOffset now,
        int keptDays,
        Func<string, UsageUnit?> unitOf,
        Func<string, bool> exists
    )
    {
        var terms = budget.Terms;
        // A rolling window never ends.
        if (terms.Window.Period == WindowPeriod.Rolling)
            return Amount.Zero;
        var closed = new List<ClosedWindow>();
        var window = state.OpenWindow(budget.Uid);
        var unspent = Amount.Zero;
        while (window is not null && window.End <= now && closed.Count < MostWindows)
        {
            var spent = budget.Namespaces.Aggregate(Amount.Zero, (sum, ns) =>
                sum + ledger.Spent(ns, budget.Selector, window.Start, window.End, now, terms.Counted)
            );
            var whole = new Window(window.Start, window.End, window.Key);
            window = WithLoans(state, budget, window);
            RecordLoans(state, budget, LoanBook.Close(state.Loans(budget.Uid), whole, window.Limit, spent, terms.Counted.Unit));
            window = WithLoans(state, budget, window);
            closed.Add(new(window.Key, window.Start, window.End, Amount.Max(Amount.Zero, window.Limit), spent));
            unspent = window.Unspent(spent);
            CloseGrants(state, budget, window, spent);
            var next = Window.At(terms.Window, window.End);
            window = next.Start >= window.End ? Begun(next, unspent, Amount.Zero) : null;
        }
        var current = Window.At(terms.Window, now);
        // The amount carried over is fixed when a window begins and stays the same while the spec allows it.
        var same = window is not null && window.Key == current.Key && window.Start == current.Start ? window : null;
        var open = Begun(current, same?.RolledOver ?? Amount.Zero, same?.Granted ?? Amount.Zero);
        state.RecordWindow(budget.Namespace, budget.Name, budget.Uid, open, closed, now.AddDays(-keptDays));
        return open.RolledOver;

        CountedWindow Begun(Window begun, Amount unspent, Amount granted)
        {
            var limit = BudgetDecider.LimitOf(terms, begun.Key);
            RecordLoans(state, budget, LoanBook.Begin(state.Loans(budget.Uid), begun, limit, terms.Counted.Unit, unitOf, exists));
            return WithLoans(state, budget, Counted(terms, begun, unspent, granted));
        }
    }

    private static void RecordLoans(OperatorState state, ReadBudget budget, IReadOnlyList<LoanRecord> loans) =>
        state.RecordLoans(budget.Namespace, budget.Name, budget.Uid, loans);

    /// <summary>Returns a window with its present loans in the limit.</summary>
    private static CountedWindow WithLoans(OperatorState state, ReadBudget budget, CountedWindow window)
    {
        var all = state.LoansIn(budget.Uid, window.Start, window.End);
        var loans = LoanBook.Net([.. all.Where(loan => LoanBook.Counts(loan, budget.Terms.Counted.Unit))], budget.Uid);
        return window with { Limit = window.Limit - window.Loans + loans, Loans = loans };
    }

    /// <summary>Returns the snapshot with the loans of its window.</summary>
    public BudgetSnapshot WithLoans(BudgetSnapshot snapshot)
    {
        // A rolling window has no next one. Loans of a window before it stay with their lenders and borrowers until the period changes again.
        if (
            snapshot.Terms.Window.Period == WindowPeriod.Rolling
            || state.LoansIn(snapshot.Uid, snapshot.Window.Start, snapshot.Window.End) is not { Count: > 0 } all
        )
            return snapshot;
        var loans = all.ToLookup(loan => LoanBook.Counts(loan, snapshot.Terms.Counted.Unit));
        return snapshot with
        {
            Loans = loans.Contains(true) ? [.. loans[true]] : null,
            LoansOfOtherUnit = loans.Contains(false) ? [.. loans[false]] : null,
        };
    }

    /// <summary>Records the loans of a decision. Returns whether they changed.</summary>
    public bool RecordLoans(ReadBudget budget, BudgetSnapshot before, BudgetSnapshot after) =>
        !ReferenceEquals(before.Loans, after.Loans)
        && state.RecordLoans(
            budget.Namespace,
            budget.Name,
            budget.Uid,
            LoanBook.Replace(state.Loans(budget.Uid), before.Loans, after.Loans, budget.Uid)
        );

    private static CountedWindow Counted(BudgetTerms terms, Window window, Amount unspent, Amount granted)
    {
        var carried = Amount.Min(unspent, terms.Limit.Percent(terms.RolloverPercent));
        var limit = BudgetDecider.LimitOf(terms, window.Key) + carried + granted;
        return new(window.Key, window.Start, window.End, limit, carried, granted);
    }

    /// <summary>Fixes the used parts of the grants of a window that has ended.</summary>
    private static void CloseGrants(OperatorState state, ReadBudget budget, CountedWindow window, Amount spent)
    {
        if (state.Grants(budget.Uid) is { Count: > 0 } grants)
            state.RecordGrants(
                budget.Namespace,
                budget.Name,
                budget.Uid,
                GrantDecider.Close(grants, window.Key, window.End, window.Limit - window.Granted, spent),
                window.Granted
            );
    }

    /// <summary>Decides on the requests for a budget and records its grants. Returns the snapshot with them.</summary>
    public (BudgetSnapshot Snapshot, GrantDecision Grants) Grant(ReadBudget budget, BudgetSnapshot snapshot)
    {
        var decision = GrantDecider.Decide(new(snapshot, state.Grants(budget.Uid), requests.RequestsFor(budget)));
        state.RecordGrants(budget.Namespace, budget.Name, budget.Uid, decision.Records, decision.InForce);
        return (snapshot with { Granted = decision.InForce, Grants = decision.Current, GrantNews = decision.Announcements }, decision);
    }

    /// <summary>Removes a deleted budget from this object's memory. The stored state remains.</summary>
    public void Forget(string budgetUid)
    {
        _progressStored.TryRemove(budgetUid, out _);
        _training.TryRemove(budgetUid, out _);
        ledger.SetCuts(budgetUid, []);
    }

    private BudgetMemory WithProgress(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        var now = time.GetUtcNow();
        if (decision.Actions.Count == 0 && now - _progressStored[budget.Uid] < ProgressInterval)
            return decision.Memory with { Progress = snapshot.Memory.Progress };
        _progressStored[budget.Uid] = now;
        var series = new SortedDictionary<string, ProgressSeries>(StringComparer.Ordinal);
        foreach (var work in snapshot.Workloads)
            if (progress.Series(work.Key.Uid) is { Points.Count: > 0 } known)
                series[work.Key.Uid] = known.Thinned(StoredProgressPoints);
        return decision.Memory with { Progress = series };
    }

    /// <summary>
    /// Moves workloads that are gone to the list of ended ones, with their last step. Users ask for the cost per step after the job ended.
    /// </summary>
    private BudgetMemory WithEnded(ReadBudget budget, BudgetSnapshot snapshot, BudgetMemory memory)
    {
        var training = _training.GetOrAdd(budget.Uid, _ =>
            snapshot
                .Memory.Progress.Where(one => one.Value.Last is { Step: > 0 })
                .ToDictionary(
                    one => one.Key,
                    one => new EndedTraining(one.Key, one.Value.Last!.Value.Step, one.Value.Last!.Value.At, null),
                    StringComparer.Ordinal
                )
        );
        var present = snapshot.Workloads.Select(work => work.Key.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var work in snapshot.Workloads)
            if (progress.Series(work.Key.Uid)?.Last is { Step: > 0 } last)
                training[work.Key.Uid] = new(
                    work.Key.Uid,
                    last.Step,
                    last.At,
                    work.UnitCosts?.Step ?? training.GetValueOrDefault(work.Key.Uid)?.PerStep
                );
        var gone = training.Values.Where(one => !present.Contains(one.Uid)).OrderBy(one => one.At).ToArray();
        foreach (var one in gone)
            training.Remove(one.Uid);
        var changed = gone.Length > 0;
        var ended = new List<EndedTraining>(memory.Ended.Count + gone.Length);
        foreach (var one in memory.Ended.Concat(gone))
        {
            // The workload exists again, or its agent reported later progress after its end.
            if (present.Contains(one.Uid))
                changed = true;
            else if (progress.Series(one.Uid)?.Last is { } last && last.Step > one.Step)
            {
                changed = true;
                ended.Add(one with { Step = last.Step, At = last.At });
            }
            else
                ended.Add(one);
        }
        return changed ? memory with { Ended = [.. ended.TakeLast(MostEnded)] } : memory;
    }
}
