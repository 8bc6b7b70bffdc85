using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Resumes suspended work when it fits the budget: by priority, then the oldest; work that does not fit is passed over; one at a time, so
/// that each reservation is seen before the next is made. Work resumes at once after a cause (<see cref="Cause"/>), and without one when it
/// has fitted for <see cref="FitsFor"/> without interruption. So every way money can become free leads to a resume, named here or not.
/// </summary>
/// <remarks>
/// <para>No flapping. Between two suspensions of one job by forecast stands an event in the world that came after the first (the limit or a
/// top-up rose, a new window began, other work ended, the available amount rose by the headroom, its rate fell, its length became known,
/// its owner approved, somebody else resumed it), or ten minutes in which its high estimate with headroom fitted at every
/// evaluation.</para>
/// <para>A suspended job leaves that state by a resume alone (or by someone else's hand), and a resume spends its cause: the next
/// suspension records the window, the limit, the count of ended work, the available amount, the rate and the approval of its own moment.
/// An estimate that leaps is no cause. One that has fallen for good is, after the ten minutes.</para>
/// </remarks>
internal static class ResumeRule
{
    /// <summary>Work that has fitted this long resumes without a known cause.</summary>
    public static readonly TimeSpan FitsFor = TimeSpan.FromMinutes(10);

    /// <summary>A limit that is named as enough stays so for this long, at the present rate of everything that runs.</summary>
    public static readonly TimeSpan NamedFor = TimeSpan.FromMinutes(15);

    public static void Evaluate(Plan plan)
    {
        var budget = plan.Budget;
        var balance = plan.Totals;
        var free = !LimitRule.IsReached(balance) && !balance.MinimumReplicasExceedLimit && !plan.SuspendsNow;
        foreach (var item in InOrder(plan.Work))
        {
            if (IsNoLongerHeld(item.Work, budget))
            {
                plan.Resume(item, Reasons.Released, Messages.Released(item));
                continue;
            }
            var cause = Cause(item.Work, budget, balance, plan.Memory);
            var needed = LimitToResume(item, plan);
            var fits = free && needed <= balance.Limit;
            if (fits && cause is null && budget.ForecastDoubt is null && HasImproved(item.Work.Suspension!, balance, Alone(item, plan)))
            {
                var since =
                    plan.Memory.FitsSince.TryGetValue(item.Work.Key.Uid, out var known) && known >= item.Work.Suspension!.Since
                        ? known
                        : budget.Now;
                plan.FitsSince[item.Work.Key.Uid] = since;
                if (budget.Now - since >= WaitOf(item.Work.Suspension!))
                    cause = Reasons.FitsAgain;
            }
            if (item.Work.Rate is null)
                plan.Keep(item, Reasons.Unpriced, Messages.Kept(item, Reasons.Unpriced, budget));
            else if (NeverFits(item, balance))
                plan.Keep(item, Reasons.NeverFits, Messages.NeverFits(item, plan, item.Cost.NeededInEmptyWindow, NamedLimit(item, plan)));
            else if (cause != Reasons.Approved && budget.Terms.Resume == ResumePolicy.Manual)
                plan.Keep(
                    item,
                    Reasons.WaitingForApproval,
                    Messages.WaitsForApproval(item, plan, MustRise(), MustRise() ? NamedLimit(item, plan) : null)
                );
            else if (cause != Reasons.Approved && UnknownDurationRule.IsWaiting(item, budget))
                plan.Keep(item, Reasons.UnknownDuration, Messages.DurationUnknown(item, budget));
            else if (budget.ForecastDoubt is not null)
                plan.Keep(item, Reasons.ForecastPaused, Messages.Paused(budget));
            else if (fits && cause is not null)
            {
                free = false;
                plan.Resume(item, cause, Messages.Resumed(item, budget, balance, item.Cost.Needed, cause));
                plan.Memory = Admissions.Resumed(
                    item,
                    item.Cost.Likely,
                    budget,
                    plan.Memory,
                    item.Work.Suspension!.FitResumes + (cause == Reasons.FitsAgain ? 1 : 0)
                );
            }
            else
            {
                plan.Keep(
                    item,
                    Reasons.WaitingForBudget,
                    MustRise()
                        ? Messages.Waits(item, plan, item.Cost.Needed, NamedLimit(item, plan))
                        : Messages.WaitsThoughItFits(item, plan, item.Cost.Needed, othersFirst: cause is not null || !free)
                );
            }

            bool MustRise() => needed > balance.Limit || LimitRule.IsReached(balance) || balance.MinimumReplicasExceedLimit;
        }
    }

    /// <summary>How long suspended work must have fitted before it resumes without a cause.</summary>
    public static TimeSpan WaitOf(SuspendedSnapshot suspended) => FitsFor * (1 << Math.Min(suspended.FitResumes, 10));

    /// <summary>
    /// It fits by more than it did when it was suspended. Work that would have passed this test at that moment was suspended for what it
    /// shows only while it runs, so that it fits tells nothing.
    /// </summary>
    private static bool HasImproved(SuspendedSnapshot suspended, BudgetTotals balance, Amount needed) =>
        suspended.Margin is not { } then || balance.Limit - needed >= then + Step(balance);

    private static Amount Step(BudgetTotals balance) => balance.Limit.Percent(1);

    /// <summary>Suspended work in the order in which it is looked at, with suspended work whose pods run on.</summary>
    public static IEnumerable<CostedWorkload> InOrder(IEnumerable<CostedWorkload> work) =>
        work.Where(IsSuspended).Order(InOrder(DateTimeOffset.MaxValue));

    private static bool IsSuspended(CostedWorkload item) =>
        item.Work is { Suspension: not null } and ({ State: WorkloadState.SuspendedByBudget } or { IgnoresSuspension: true });

    /// <summary>Orders workloads by priority, then the oldest first.</summary>
    private static Comparer<CostedWorkload> InOrder(DateTimeOffset now) =>
        Comparer<CostedWorkload>.Create(
            (one, other) =>
            {
                var order = other.Work.Priority.CompareTo(one.Work.Priority);
                if (order == 0)
                    order = other.Work.PriorityWithin.CompareTo(one.Work.PriorityWithin);
                if (order == 0)
                    order = one.Work.CreatedAt.CompareTo(other.Work.CreatedAt);
                if (order == 0)
                    order = (one.Work.Suspension?.Since ?? now).CompareTo(other.Work.Suspension?.Since ?? now);
                if (order == 0)
                    order = string.CompareOrdinal(one.Work.Key.Name, other.Work.Key.Name);
                return order != 0 ? order : string.CompareOrdinal(one.Work.Key.Uid, other.Work.Key.Uid);
            }
        );

    /// <summary>
    /// The limit that a resume is tested against: all that is spent, being stopped and reserved (at the likely end, whatever the forecast
    /// tests: a resume must not lean on hope), and what it needs itself; in a rolling window fifteen minutes of everything else that runs
    /// beside it too. A limit that is named covers <see cref="NamedFor"/> of that.
    /// </summary>
    public static Amount LimitToResume(CostedWorkload item, Plan plan) =>
        LimitToResume(item, plan, plan.Totals.MinimumReplicasClaims, withBeside: false);

    /// <summary>
    /// The limit that a message names as enough to resume the work now; null where no limit alone is. It holds the suspended work that
    /// comes first and fits it too, what the stop itself costs, and what everything else spends in the next <see cref="NamedFor"/>, and is
    /// rounded up to three digits. The amount named when the work was suspended is repeated for as long as it is enough and not far too
    /// much. It is an amount of the present window, and none is named shortly before that ends (<see cref="WindowEndsSoon"/>).
    /// </summary>
    public static Amount? NamedLimit(CostedWorkload item, Plan plan)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        var alone = Amount.Max(Alone(item, plan), item.Cost.NeededInEmptyWindow);
        if (
            item.Work.Rate is not { } rate
            || budget.ForecastDoubt is not null
            || UnknownDurationRule.IsWaiting(item, budget)
            || WindowEndsSoon(item, budget)
            // In Observe mode nothing resumes, whatever the limit is.
            || budget.Observes && item.Work.State == WorkloadState.SuspendedByBudget
        )
            return null;
        // The workload spends this until it is stopped, and once more after it resumes.
        var stop = item.Work.State == WorkloadState.SuspendedByBudget ? Amount.Zero : rate.For(WorkloadCost.StopTime(item.Work, budget));
        var growth = Beside(item, plan).Aggregate(stop + stop, (sum, other) => sum + other.Work.BurnRate.For(ValidFor(item, budget)));
        // Sorted once a decision, since a budget may hold thousands of suspended workloads.
        var turns = InOrder(budget.Now);
        var order = plan.InOrder(() => plan.Work.Order(turns));
        var turn = Array.FindIndex(order, other => ReferenceEquals(other, item));
        var first = order
            .Take(turn)
            .Where(other =>
                (IsSuspended(other) || Leaves(plan, other)) && other.Work.Rate is not null && !IsNoLongerHeld(other.Work, budget)
            )
            .ToArray();
        // Running workloads that may be suspended soon leave their part to those ahead, and need as much as any suspended workload where
        // they come first.
        CostedWorkload[] soon =
        [
            .. plan.Active.Where(other =>
                other != item && other.Suspendable && !Leaves(plan, other) && (CourseOf(plan).Suspends || plan.IsLeaving(other))
            ),
        ];
        growth = soon.Where(other => turns.Compare(other, item) < 0)
            .Aggregate(growth, (sum, other) =>
                sum + Amount.Max(Amount.Zero, other.Cost.Needed + other.Cost.StopCost - CountsWith(other, item, budget))
            );
        // Workloads behind it that fit the present limit may resume before that is raised.
        var after = order
            .Skip(turn + 1)
            .Where(other => IsSuspended(other) && other.Work.Rate is not null && !IsNoLongerHeld(other.Work, budget))
            .ToArray();
        var behind =
            budget.Terms.Window.Period == WindowPeriod.Rolling
                ? TakenOfRolling(after, plan)
                : Taken(after, balance.Limit, balance.Limit, plan);
        // Stops may cost less than they are counted with, and their own test does not hold what runs beside them.
        var stops =
            first.Length == 0
                ? Amount.Zero
                : Beside(item, plan)
                    .Aggregate(balance.OverspendBound + balance.Ending, (sum, other) =>
                        sum + other.Work.BurnRate.For(WorkloadCost.LeastRun)
                    )
                    + soon.Aggregate(CountsAsRunning(item, plan) ? CountsWith(item, item, budget) : Amount.Zero, (sum, other) =>
                        sum + CountsWith(other, item, budget)
                    );
        Amount enough,
            least = alone;
        for (var round = 0; ; round++)
        {
            enough = (least + growth + least.Percent(1)).RoundUp();
            // Each round a higher limit may let more workloads fit. After a few of them all count, which is enough and ends.
            var taken =
                round < 4
                    ? Taken(first, enough + stops, enough, plan)
                    : first.Aggregate(Amount.Zero, (sum, other) => sum + other.Cost.Needed);
            if (alone + behind + taken <= least)
                break;
            least = alone + behind + taken;
        }
        return plan.NameLimit(
            item,
            item.Work.Suspension is { EnoughLimit: { } named }
            && named > balance.Limit
            && (named <= enough + enough.Percent(10) || budget.Now - item.Work.Suspension.Since <= NamedFor)
            && alone + behind + growth + Taken(first, named + stops, named, plan) <= named
                ? named
                : enough
        );
    }

    /// <summary>
    /// Whether the window ends before a limit that is named now has been enough for <see cref="NamedFor"/>. Then none is named, since other
    /// spending, other top-ups and other work count in the next window.
    /// </summary>
    public static bool WindowEndsSoon(CostedWorkload item, BudgetSnapshot budget) =>
        budget.Terms.Window.Period != WindowPeriod.Rolling && budget.Window.End - budget.Now < ValidFor(item, budget);

    /// <summary>How long a limit that is named now must be enough. Work that is asked for a checkpoint first is suspended later.</summary>
    private static TimeSpan ValidFor(CostedWorkload item, BudgetSnapshot budget) =>
        item.Work.State == WorkloadState.SuspendedByBudget ? NamedFor : NamedFor + CheckpointRule.WaitOf(item.Work, budget);

    /// <summary>The time in which a named limit must be enough, at the present rate of everything that runs.</summary>
    /// <param name="Suspends">Whether the forecast or the limit may suspend running work.</param>
    /// <param name="Lapses">The amount that is reserved now for work that runs past the end of the window, and not spent because its pods
    /// do not run.</param>
    public sealed record Course(bool Suspends, Amount Lapses);

    private static Course CourseOf(Plan plan)
    {
        if (plan.Course is { } known)
            return known;
        var (budget, balance, later) = (plan.Budget, plan.Totals, Later(plan.Budget));
        CostedWorkload[] runs = [.. plan.Active.Where(item => !Leaves(plan, item))];
        var suspends =
            runs.Aggregate(balance.Spent + balance.OverspendBound, (sum, item) => sum + item.Work.BurnRate.For(NamedFor)) >= balance.Allowed
            || ForecastAhead.Needed(
                budget,
                balance,
                plan.Work.Where(item => Leaves(plan, item)),
                ForecastRule.Claims(runs.Where(item => item.IsActiveJob), budget),
                runs,
                NamedFor
            ) > balance.Allowed;
        var lapses = runs.Aggregate(Amount.Zero, (sum, item) =>
            sum
            + Amount.Max(
                Amount.Zero,
                item.Cost.Likely
                    - Amount.Min(item.Cost.Likely, (item.Work.Rate ?? HourlyCost.Zero).For(later))
                    - item.Work.BurnRate.For(NamedFor)
            )
        );
        return plan.Course = new(suspends, lapses);
    }

    /// <summary>The rest of the window after the time in which a named limit must be enough.</summary>
    internal static TimeSpan Later(BudgetSnapshot budget) =>
        WorkloadCost.Horizon(budget) is var horizon && horizon > NamedFor ? horizon - NamedFor : TimeSpan.Zero;

    /// <summary>The amount that running work counts with where the limit for other work is tested.</summary>
    private static Amount CountsWith(CostedWorkload other, CostedWorkload item, BudgetSnapshot budget) =>
        other.Cost.KnownLength || WorkloadCost.ReservesWindow(other.Work, budget) || !(other.Work.BurnRate > HourlyCost.Zero)
            ? other.Cost.Likely
            : other.Work.BurnRate.For(Run(item, WorkloadCost.Horizon(budget)));

    /// <summary>
    /// The amount that the workloads ahead in the queue use of a limit. Each counts where it may fit, with all it may need.
    /// </summary>
    /// <param name="first">The workloads ahead, in the order in which they resume.</param>
    /// <param name="sum">The amount up to which a workload may fit beside those ahead of it.</param>
    /// <param name="limit">The limit that a workload must fit by itself.</param>
    /// <param name="plan">The decision that is being made.</param>
    private static Amount Taken(IReadOnlyList<CostedWorkload> first, Amount sum, Amount limit, Plan plan)
    {
        Amount likely = Amount.Zero,
            most = Amount.Zero;
        // A workload that runs past the end of the window needs less of it when the limit is raised.
        var rolling = plan.Budget.Terms.Window.Period == WindowPeriod.Rolling;
        var later = Later(plan.Budget);
        sum += CourseOf(plan).Lapses;
        foreach (var other in first)
        {
            var charge = other.Cost;
            // A rolling sum is no plain sum: there all of them count.
            var fits =
                rolling || Alone(other, plan) - charge.Needed + charge.NeededLater + likely <= sum && charge.NeededInEmptyWindow <= limit;
            if (!fits)
                continue;
            likely += charge.KnownLength ? Amount.Min(charge.Likely, other.Work.Rate!.Value.For(later)) : Amount.Zero;
            most += charge.Needed;
        }
        return most;
    }

    /// <summary>
    /// The amount that workloads behind in the queue may use of a rolling limit. Older spending leaves the window all the time, so each
    /// counts that fits an empty window. All of them together use no more than the limit, since a window's length from now one window
    /// holds everything that begins now.
    /// </summary>
    private static Amount TakenOfRolling(IEnumerable<CostedWorkload> behind, Plan plan) =>
        Amount.Min(
            plan.Totals.Limit,
            behind.Where(other => !NeverFits(other, plan.Totals)).Aggregate(Amount.Zero, (sum, other) => sum + other.Cost.Needed)
        );

    private static Amount Alone(CostedWorkload item, Plan plan) =>
        plan.NeededAlone.TryGetValue(item, out var known)
            ? known
            : plan.NeededAlone[item] = LimitToResume(item, plan, plan.Totals.AllMinimumReplicasClaims, withBeside: true);

    private static Amount LimitToResume(CostedWorkload item, Plan plan, IReadOnlyList<Claim> floor, bool withBeside)
    {
        var budget = plan.Budget;
        var others = plan
            .Active.Where(w =>
                w.IsActiveJob
                && w.Work.Key.Uid != item.Work.Key.Uid
                && !Leaves(plan, w)
                && !BudgetTotals.ReleasesReservation(w.Work, budget)
            )
            .ToArray();
        var rolling = budget.Terms.Window.Period == WindowPeriod.Rolling;
        var run = Run(item, WorkloadCost.Horizon(budget));
        // Older spending that leaves a rolling window hides what runs beside it, which then brings it to the limit within seconds.
        if (!withBeside)
            run =
                !rolling ? TimeSpan.Zero
                : run < NamedFor ? run
                : NamedFor;
        var beside = Beside(item, plan).Select(other => new Claim(other.Work.BurnRate, other.Work.BurnRate.For(run)));
        // Workloads that are being stopped, or are about to be, cost their stop.
        var ending =
            plan.Totals.Ending
            + plan.Active.Where(w => w.Work.Key.Uid != item.Work.Key.Uid && Leaves(plan, w))
                .Aggregate(Amount.Zero, (sum, w) => sum + w.Cost.StopCost);
        var needed = plan.Totals.Projection.Of([
            .. floor,
            .. plan.Totals.ReleasedClaims,
            .. others
                .Where(w =>
                    run == TimeSpan.Zero
                    || w.Cost.KnownLength
                    || WorkloadCost.ReservesWindow(w.Work, budget)
                    || !(w.Work.BurnRate > HourlyCost.Zero)
                )
                .Select(w => new Claim(w.Work.Rate ?? HourlyCost.Zero, w.Cost.Likely)),
            .. beside,
            new(item.Work.Rate ?? HourlyCost.Zero, item.Cost.Needed),
            new(HourlyCost.Zero, ending),
        ]);
        // The limit test would suspend it again at once; in a rolling window, on the way to the peak.
        var stops = plan
            .Active.Where(w => w.Suspendable && !Leaves(plan, w))
            .Aggregate(WorkloadCost.StopCostOnceRunning(item.Work, budget), (sum, w) => sum + w.Cost.StopCost);
        return rolling ? needed + stops : Amount.Max(needed, budget.Spent + stops + ending);
    }

    private static bool CountsAsRunning(CostedWorkload item, Plan plan) =>
        item.Work.State is WorkloadState.Running or WorkloadState.Pending && !Leaves(plan, item);

    /// <summary>
    /// Whether this decision stops the work. What keeps one workload running must hold all that run on: in Observe mode everything does,
    /// and so does work that is asked for a checkpoint when the limit is raised before it is suspended.
    /// </summary>
    private static bool Leaves(Plan plan, CostedWorkload item) =>
        !plan.Budget.Observes && plan.IsLeaving(item) && CheckpointRule.StepOf(item, plan) == CheckpointStep.Stop;

    /// <summary>
    /// Running work that no claim counts: it has no end that is known, and this budget reserves nothing for it but its stop.
    /// </summary>
    private static IEnumerable<CostedWorkload> Beside(CostedWorkload item, Plan plan) =>
        plan.Active.Where(w =>
            w.Work.Key.Uid != item.Work.Key.Uid
            && w.Work.State is WorkloadState.Running
            && w.Work.BurnRate > HourlyCost.Zero
            && !Leaves(plan, w)
            && (
                w.Work.Class == WorkloadClass.Training
                    ? !w.Cost.KnownLength && !WorkloadCost.ReservesWindow(w.Work, plan.Budget)
                    : w.Cost.Likely <= Amount.Zero
            )
        );

    /// <summary>More than the limit even in a window that is new and all its own.</summary>
    public static bool NeverFits(CostedWorkload item, BudgetTotals balance) => item.Cost.NeededInEmptyWindow > balance.Limit;

    /// <summary>How long other work must be paid for beside it: an hour, or as long as it runs itself.</summary>
    private static TimeSpan Run(CostedWorkload item, TimeSpan horizon)
    {
        var run =
            item.Work.Class == WorkloadClass.Training
            && WorkloadCost.AfterResume(item.Work) is { IsKnown: true } estimate
            && estimate.High < WorkloadCost.LeastRun
                ? estimate.High
                : WorkloadCost.LeastRun;
        return run < horizon ? run : horizon;
    }

    /// <summary>Made exempt while it was suspended, or inference whose budget keeps floors now.</summary>
    internal static bool IsNoLongerHeld(WorkloadSnapshot work, BudgetSnapshot budget) =>
        work.Exempt || work.Class != WorkloadClass.Training && budget.Terms.WhenExhausted == WhenExhausted.MinReplicas;

    /// <summary>
    /// Finds an event since the suspension that lets the work resume at once; null when there was none. Every event that frees money and is
    /// no estimate is here.
    /// </summary>
    public static string? Cause(WorkloadSnapshot work, BudgetSnapshot budget, BudgetTotals balance, BudgetMemory memory)
    {
        var suspended = work.Suspension!;
        return work.ResumeApproved && !suspended.Approved ? Reasons.Approved
            : suspended.WindowKey != budget.Window.Key ? Reasons.NewWindow
            : balance.Limit > suspended.Limit || memory.Raised > suspended.Raised ? Reasons.BudgetRaised
            : memory.Freed > suspended.Freed ? Reasons.BudgetAvailable
            : HasRisen(suspended, budget, balance)
                ? budget.Terms.Window.Period == WindowPeriod.Rolling ? Reasons.SpendRolledOff
                    : Reasons.BudgetAvailable
            : work.Rate is { } rate && suspended.Rate is { } then && rate < then ? Reasons.CostFell
            // Nobody knows what it waited for: it comes back as soon as it fits.
            : suspended.Reason == Reasons.RecordRestored ? Reasons.RecordRestored
            : suspended.Reason == Reasons.UnknownDuration && work.Estimate.IsKnown ? Reasons.DurationKnown
            : null;
    }

    /// <summary>
    /// The available amount has risen since the suspension: older spending left a rolling window, a price or a record was corrected, work
    /// left the selector, inference ended or became smaller. Each cent of it as a cause would let a job come and go as its estimate
    /// breathes, so it takes as much as the headroom, or that nothing is spent any more.
    /// </summary>
    public static bool HasRisen(SuspendedSnapshot suspended, BudgetSnapshot budget, BudgetTotals balance)
    {
        var step = balance.Limit.Percent(Math.Max(1, budget.Terms.HeadroomPercent));
        if (suspended.Available is { } available && balance.Available > available && balance.Available - available >= step)
            return true;
        return suspended.Spent is { } then
            ? then > budget.Spent && (budget.Spent <= Amount.Zero || then - budget.Spent >= step)
            : budget.Terms.Window.Period == WindowPeriod.Rolling;
    }
}
