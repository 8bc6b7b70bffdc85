using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Decides on a budget that may borrow from others. It borrows if a workload does not run with its own limit, and runs with a loan while all
/// others keep running. It borrows what the running workloads need, and returns what they no longer need. Pure.
/// </summary>
public static class LoanDecider
{
    private static readonly Amount Cent = Amount.FromDecimal(0.01m);

    /// <summary>Decides with the loans that the budget has, and with more or fewer of them.</summary>
    /// <param name="offers">Returns what other budgets could lend. Read only if a workload waits for budget.</param>
    /// <returns>The snapshot with the loans as decided, and the decision on it.</returns>
    public static (BudgetSnapshot Budget, BudgetDecision Decision) Decide(BudgetSnapshot budget, Func<IReadOnlyList<LoanOffer>> offers)
    {
        var decision = BudgetDecider.Decide(budget);
        // A budget that only observes uses nothing, and a loan that cannot be stored must not be relied on.
        if (budget.Observes || budget.LedgerFault is not null || budget.Terms.BorrowingLimit is null && budget.Loans is null)
            return (budget, decision);
        var runs = RunsAfter(budget, decision);
        if (budget.Terms.BorrowingLimit is { } limit && budget.Workloads.Any(workload => IsWaiting(workload, runs)))
        {
            var all = offers();
            LoanOffer[] lenders =
            [
                .. all.Where(offer => offer.Amount > Amount.Zero)
                    .OrderByDescending(offer => offer.Amount)
                    .ThenBy(offer => offer.Lender, StringComparer.Ordinal),
            ];
            var most = Amount.Min(
                lenders.Aggregate(Amount.Zero, (sum, offer) => sum + offer.Amount),
                limit - LoanBook.Owed(budget.Loans, budget.Uid)
            );
            if (most >= Cent)
            {
                var (with, best) = Lend(budget, lenders, most);
                var more = RunsAfter(with, best);
                if (more.IsProperSupersetOf(runs))
                    return Borrowed(budget, Smallest(budget, lenders, most, (with, best), more), [.. more.Except(runs)]);
                decision = decision with { Memory = decision.Memory with { FitsSince = Merged(decision, best) } };
            }
            decision = decision with { LoanRefusals = Refusals(budget, all, most) };
        }
        return Returned(budget, decision, runs);
    }

    /// <summary>
    /// Computes the amount that the workloads of a budget need once a decision is carried out, so that they keep running if they take longer than
    /// likely: the high estimate plus headroom of each, or one hour if its duration is unknown. The rest of the limit can be lent or returned.
    /// </summary>
    internal static Amount CommittedAfter(Plan plan)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        var claims = totals.AllMinimumReplicasClaims.Concat(totals.ReleasedClaims).ToList();
        var (stops, ending) = (Amount.Zero, totals.Ending);
        foreach (var workload in plan.Workloads)
        {
            var rate = workload.Snapshot.Rate ?? workload.Snapshot.BurnRate;
            if (plan.IsDecidedToResume(workload))
            {
                stops += WorkloadCost.StopCostOnceRunning(workload.Snapshot, budget);
                claims.Add(new(rate, workload.Cost.Needed));
            }
            else if (workload.Snapshot.State is not (WorkloadState.Running or WorkloadState.Pending))
                continue;
            else if (plan.After(workload) is null)
                ending += workload.Cost.StopCost;
            else if (!BudgetTotals.ReleasesReservation(workload.Snapshot, budget))
            {
                if (workload.Suspendable)
                    stops += workload.Cost.StopCost;
                // Other inference is in the claims of minimum replicas.
                if (workload.Snapshot.Class != WorkloadClass.Inference || workload.Suspendable)
                    claims.Add(new(rate, ToKeepRunning(workload, budget) + workload.Cost.StopCost));
            }
        }
        return Amount.Max(totals.Projection.Total([.. claims, new(HourlyCost.Zero, ending)]), budget.Spent + stops + ending);
    }

    private static Amount ToKeepRunning(CostedWorkload workload, BudgetSnapshot budget)
    {
        if (workload.Cost.DurationKnown)
            return workload.Cost.High + workload.Cost.High.Percent(budget.Terms.HeadroomPercent);
        if (WorkloadCost.ReservesWindow(workload.Snapshot, budget))
            return workload.Cost.Likely;
        var horizon = WorkloadCost.Horizon(budget);
        return (workload.Snapshot.Rate ?? workload.Snapshot.BurnRate).For(
            horizon < WorkloadCost.MinimumRun ? horizon : WorkloadCost.MinimumRun
        );
    }

    /// <summary>
    /// Returns the UIDs of the workloads that run once a decision is carried out. One that is suspended after its checkpoint or after the settle
    /// time does not count, and neither does one that another budget keeps from running.
    /// </summary>
    private static HashSet<string> RunsAfter(BudgetSnapshot budget, BudgetDecision decision)
    {
        var acts = decision.Actions.ToLookup(action => action.Workload.Uid, action => action.Kind, StringComparer.Ordinal);
        return budget
            .Workloads.Where(workload =>
                acts[workload.Key.Uid].Contains(ActionKind.Resume)
                || workload is { State: WorkloadState.Running or WorkloadState.Pending, NotCoveredBy: null }
                    && !acts[workload.Key.Uid].Contains(ActionKind.Suspend)
                    && !decision.Memory.Checkpoints.ContainsKey(workload.Key.Uid)
                    && !decision.Memory.SuspensionsAnnounced.ContainsKey(workload.Key.Uid)
            )
            .Select(workload => workload.Key.Uid)
            .ToHashSet(StringComparer.Ordinal);
    }

    private static bool IsWaiting(WorkloadSnapshot workload, HashSet<string> runs) =>
        workload is { State: WorkloadState.SuspendedByBudget } or { State: WorkloadState.Running or WorkloadState.Pending }
        && workload.NotCoveredBy is null
        && !runs.Contains(workload.Key.Uid);

    private static (BudgetSnapshot Budget, BudgetDecision Decision) Lend(
        BudgetSnapshot budget,
        IReadOnlyList<LoanOffer> lenders,
        Amount amount
    )
    {
        var with = budget with { Loans = LoanBook.Lend(budget, lenders, amount) };
        return (with, BudgetDecider.Decide(with));
    }

    /// <summary>
    /// Returns the decision with the smallest loan with which the same workloads run. The amount that they need is tried first. If it is not
    /// enough, the amount is found by bisection, to the cent.
    /// </summary>
    private static (BudgetSnapshot Budget, BudgetDecision Decision) Smallest(
        BudgetSnapshot budget,
        IReadOnlyList<LoanOffer> lenders,
        Amount most,
        (BudgetSnapshot Budget, BudgetDecision Decision) best,
        HashSet<string> more
    )
    {
        var needed = Amount.Max(Cent, (best.Decision.Committed - BudgetDecider.LimitOf(budget)).RoundUp());
        if (needed >= most)
            return best;
        var tried = Lend(budget, lenders, needed);
        if (RunsAfter(tried.Budget, tried.Decision).IsSupersetOf(more))
            return tried;
        var (low, high) = (needed.Units / Cent.Units, most.Units / Cent.Units);
        while (high - low > 1)
        {
            var middle = low + (high - low) / 2;
            tried = Lend(budget, lenders, new(middle * Cent.Units));
            if (RunsAfter(tried.Budget, tried.Decision).IsSupersetOf(more))
                (high, best) = (middle, tried);
            else
                low = middle;
        }
        return best;
    }

    private static (BudgetSnapshot, BudgetDecision) Borrowed(
        BudgetSnapshot before,
        (BudgetSnapshot Budget, BudgetDecision Decision) with,
        IReadOnlyList<string> uids
    )
    {
        WorkloadSnapshot[] workloads = [.. before.Workloads.Where(workload => uids.Contains(workload.Key.Uid))];
        var news = new Announcement(
            Reasons.Borrowed,
            $"{before.Window.Key}/borrowed/{before.Now.ToUnixTimeSeconds()}",
            LoanMessages.Borrowed(before, with.Budget, with.Decision.Limit, workloads),
            Warning: false
        )
        {
            About = [.. workloads.Select(workload => workload.Key)],
        };
        return (with.Budget, with.Decision with { Announcements = [news, .. with.Decision.Announcements] });
    }

    /// <summary>
    /// Returns what the workloads no longer need, if that is 1 % of the limit or more, or all that is borrowed. The remaining loan must let the
    /// same workloads run.
    /// </summary>
    private static (BudgetSnapshot Budget, BudgetDecision Decision) Returned(
        BudgetSnapshot budget,
        BudgetDecision decision,
        HashSet<string> runs
    )
    {
        var borrowed = LoanBook.Borrowed(budget.Loans, budget.Uid);
        var spare = Amount.Min(BudgetDecider.LimitOf(budget) - decision.Committed, borrowed);
        if (
            spare <= Amount.Zero
            || budget.ForecastDoubt is not null
            || spare < borrowed && spare < Amount.Max(Cent, BudgetDecider.LimitOf(budget).Percent(1))
        )
            return (budget, decision);
        var less = budget with { Loans = LoanBook.Return(budget, spare) };
        var then = BudgetDecider.Decide(less);
        return RunsAfter(less, then).IsSupersetOf(runs) ? (less, then with { LoanRefusals = decision.LoanRefusals }) : (budget, decision);
    }

    /// <summary>
    /// Returns since when each workload has fitted, also with a loan. Otherwise one that fits only with a loan would never have fitted long enough
    /// to resume without a cause.
    /// </summary>
    private static IReadOnlyDictionary<string, DateTimeOffset> Merged(BudgetDecision decision, BudgetDecision best) =>
        best.Memory.FitsSince.Where(one => !decision.Memory.FitsSince.ContainsKey(one.Key)).Concat(decision.Memory.FitsSince).ToSorted();

    private static IReadOnlyList<string> Refusals(BudgetSnapshot budget, IReadOnlyList<LoanOffer> offers, Amount most) =>
        [
            .. most < Cent && offers.Any(offer => offer.Amount > Amount.Zero)
                ? [LoanMessages.LimitReached(LoanBook.Owed(budget.Loans, budget.Uid), budget)]
                : Array.Empty<string>(),
            .. offers
                .Where(offer => offer.Refusal is not null)
                .Select(offer => offer.Lender.Length > 0 ? $"{offer.Lender}: {offer.Refusal}" : offer.Refusal!),
        ];
}
