using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Resumes suspended workloads that fit the budget, by priority, then the oldest first. A workload that does not fit is passed over. One
/// resumes per evaluation, so that each reservation is counted before the next is made. A workload resumes at once after a cause
/// (<see cref="Cause"/>). Without a cause it resumes after it has fitted for <see cref="FitsFor"/> without interruption, so every way in
/// which budget becomes available leads to a resume. A workload that another budget does not cover waits without a reservation, so that
/// two budgets never keep their limits free for each other's workloads.
/// </summary>
/// <remarks>
/// <para>No flapping. Between two suspensions of one job by forecast lies an event, or ten minutes in which its high estimate with headroom
/// fitted at every evaluation. An event is one of these: the limit or a top-up rose, a new window began, another job ended, the available
/// amount rose by the headroom, the job's rate fell, its duration became known, its user approved it, or another actor resumed it.</para>
/// <para>A job stays suspended until this rule or another actor resumes it. Each suspension records the window, the limit, the count of
/// ended jobs, the available amount, the rate and the approval at that time. So an event leads to at most one resume of a job. A changed
/// estimate is not an event. If it stays low, the job resumes after ten minutes.</para>
/// </remarks>
internal static class ResumeRule
{
    /// <summary>A workload that has fitted this long resumes without a cause.</summary>
    public static readonly TimeSpan FitsFor = TimeSpan.FromMinutes(10);

    /// <summary>A named limit is enough for this long, at the current rate of everything that runs.</summary>
    public static readonly TimeSpan NamedFor = TimeSpan.FromMinutes(15);

    public static void Evaluate(Plan plan)
    {
        var budget = plan.Budget;
        var totals = plan.Totals;
        var canResume = !LimitRule.IsReached(totals) && !totals.MinimumReplicasExceedLimit && !plan.SuspendsNow;
        foreach (var workload in InOrder(plan.Workloads))
        {
            if (IsNoLongerEligible(workload.Snapshot, budget))
            {
                plan.Resume(workload, Reasons.Released, Messages.Released(workload));
                continue;
            }
            var cause = Cause(workload.Snapshot, budget, totals, plan.Memory);
            var needed = LimitToResume(workload, plan);
            var fits = canResume && needed <= totals.Limit;
            var waitsForUser = IdleRule.WaitsForUser(workload.Snapshot.Suspension!, workload.Snapshot);
            if (
                fits
                && cause is null
                && !waitsForUser
                && budget.ForecastDoubt is null
                && HasImproved(workload.Snapshot.Suspension!, totals, LimitAlone(workload, plan))
            )
            {
                var since =
                    plan.Memory.FitsSince.TryGetValue(workload.Uid, out var known) && known >= workload.Snapshot.Suspension!.Since
                        ? known
                        : budget.Now;
                plan.FitsSince[workload.Uid] = since;
                if (budget.Now - since >= WaitOf(workload.Snapshot.Suspension!))
                    cause = Reasons.FitsAgain;
            }
            if (waitsForUser)
                plan.Keep(workload, Reasons.SuspendedIdle, Messages.WaitsForUser(workload));
            else if (workload.Snapshot.Rate is null)
                plan.Keep(workload, Reasons.Unpriced, Messages.Kept(workload, Reasons.Unpriced, budget));
            else if (NeverFits(workload, totals))
                plan.Keep(
                    workload,
                    Reasons.NeverFits,
                    Messages.NeverFits(workload, plan, workload.Cost.NeededInEmptyWindow, NamedLimit(workload, plan))
                );
            else if (cause != Reasons.Approved && budget.Terms.Resume == ResumePolicy.Manual)
                plan.Keep(
                    workload,
                    Reasons.WaitingForApproval,
                    Messages.WaitsForApproval(workload, plan, MustRise(), MustRise() ? NamedLimit(workload, plan) : null)
                );
            else if (cause != Reasons.Approved && UnknownDurationRule.IsWaiting(workload, budget))
                plan.Keep(workload, Reasons.UnknownDuration, Messages.DurationUnknown(workload, budget));
            else if (budget.ForecastDoubt is not null)
                plan.Keep(workload, Reasons.ForecastPaused, Messages.Paused(budget));
            else if (fits && cause is not null && workload.Snapshot.NotCoveredBy is not null)
                plan.WaitForOthers(workload);
            else if (fits && cause is not null)
            {
                canResume = false;
                plan.Resume(workload, cause, Messages.Resumed(workload, budget, totals, workload.Cost.Needed, cause));
                plan.Memory = Admissions.Resumed(
                    workload,
                    workload.Cost.Likely,
                    budget,
                    plan.Memory,
                    workload.Snapshot.Suspension!.FitResumes + (cause == Reasons.FitsAgain ? 1 : 0)
                );
            }
            else
            {
                plan.Keep(
                    workload,
                    Reasons.WaitingForBudget,
                    MustRise()
                        ? Messages.Waits(workload, plan, workload.Cost.Needed, NamedLimit(workload, plan))
                        : Messages.WaitsThoughItFits(workload, plan, workload.Cost.Needed, othersFirst: cause is not null || !canResume)
                );
            }

            bool MustRise() => needed > totals.Limit || LimitRule.IsReached(totals) || totals.MinimumReplicasExceedLimit;
        }
        plan.RememberWaits();
    }

    /// <summary>Returns how long a workload must have fitted before it resumes without a cause. Each such resume doubles it.</summary>
    public static TimeSpan WaitOf(SuspendedSnapshot suspended) => FitsFor * (1 << Math.Min(suspended.FitResumes, 10));

    /// <summary>
    /// Whether the workload fits by at least 1 % of the limit more than when it was suspended. Otherwise it is in the same position as
    /// then: its estimate for a resume fits, and the estimate of the running workload did not. True for records without a margin.
    /// </summary>
    private static bool HasImproved(SuspendedSnapshot suspended, BudgetTotals totals, Amount needed) =>
        suspended.Margin is not { } then || totals.Limit - needed >= then + LeastImprovement(totals);

    private static Amount LeastImprovement(BudgetTotals totals) => totals.Limit.Percent(1);

    /// <summary>Returns the suspended workloads in the order in which they resume, including those whose pods keep running.</summary>
    public static IEnumerable<CostedWorkload> InOrder(IEnumerable<CostedWorkload> workloads) =>
        workloads.Where(IsSuspended).Order(InOrder(DateTimeOffset.MaxValue));

    private static bool IsSuspended(CostedWorkload workload) =>
        workload.Snapshot is { Suspension: not null } and ({ State: WorkloadState.SuspendedByBudget } or { IgnoresSuspension: true });

    /// <summary>Compares by priority (highest first), then by age (oldest first).</summary>
    private static Comparer<CostedWorkload> InOrder(DateTimeOffset now) =>
        Comparer<CostedWorkload>.Create(
            (first, second) =>
            {
                var order = second.Snapshot.Priority.CompareTo(first.Snapshot.Priority);
                if (order == 0)
                    order = second.Snapshot.PriorityWithin.CompareTo(first.Snapshot.PriorityWithin);
                if (order == 0)
                    order = first.Snapshot.CreatedAt.CompareTo(second.Snapshot.CreatedAt);
                if (order == 0)
                    order = (first.Snapshot.Suspension?.Since ?? now).CompareTo(second.Snapshot.Suspension?.Since ?? now);
                if (order == 0)
                    order = string.CompareOrdinal(first.Snapshot.Key.Name, second.Snapshot.Key.Name);
                return order != 0 ? order : string.CompareOrdinal(first.Uid, second.Uid);
            }
        );

    /// <summary>
    /// Computes the limit that a resume is tested against: everything spent, being stopped and reserved, plus what the workload needs.
    /// Reservations count at their likely end even if the forecast test uses another one, so that a resume does not rely on an optimistic
    /// estimate. In a rolling window, <see cref="NamedFor"/> of everything that runs without a reservation counts too.
    /// </summary>
    public static Amount LimitToResume(CostedWorkload workload, Plan plan) =>
        LimitToResume(workload, plan, plan.Totals.MinimumReplicasClaims, coverUnreserved: false);

    /// <summary>
    /// Computes the limit that a message names as enough to resume the workload now. Null if no limit alone is enough, or if the window
    /// ends soon (<see cref="WindowEndsSoon"/>). It covers the suspended workloads ahead that fit it too, the stop itself, and
    /// <see cref="NamedFor"/> of everything else. It is rounded up to three digits. The amount named at the suspension is repeated while it
    /// is enough and not far too much.
    /// </summary>
    public static Amount? NamedLimit(CostedWorkload workload, Plan plan)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        var alone = Amount.Max(LimitAlone(workload, plan), workload.Cost.NeededInEmptyWindow);
        if (
            workload.Snapshot.Rate is not { } rate
            || budget.ForecastDoubt is not null
            || UnknownDurationRule.IsWaiting(workload, budget)
            || WindowEndsSoon(workload, budget)
            // Nothing resumes in Observe mode, whatever the limit is.
            || budget.Observes && workload.Snapshot.State == WorkloadState.SuspendedByBudget
        )
            return null;
        // The workload spends this until it is stopped, and again for the next stop after it resumes.
        var stop =
            workload.Snapshot.State == WorkloadState.SuspendedByBudget
                ? Amount.Zero
                : rate.For(WorkloadCost.StopTime(workload.Snapshot, budget));
        var growth = RunsUnreserved(workload, plan)
            .Aggregate(stop + stop, (sum, other) => sum + other.Snapshot.BurnRate.For(ValidFor(workload, budget)));
        // Sorted once per decision, because a budget may have thousands of suspended workloads.
        var resumeOrder = InOrder(budget.Now);
        var order = plan.InResumeOrder(() => plan.Workloads.Order(resumeOrder));
        var position = Array.FindIndex(order, other => ReferenceEquals(other, workload));
        var ahead = order
            .Take(position)
            .Where(other =>
                (IsSuspended(other) || StopsNow(plan, other))
                && other.Snapshot.Rate is not null
                && !IsNoLongerEligible(other.Snapshot, budget)
            )
            .ToArray();
        // Running workloads that may be suspended soon: their part becomes free for those ahead, and they need as much as any suspended
        // workload if they come first.
        CostedWorkload[] mayStop =
        [
            .. plan.Active.Where(other =>
                other != workload && other.Suspendable && !StopsNow(plan, other) && (PeriodOf(plan).MaySuspend || plan.IsStopping(other))
            ),
        ];
        growth = mayStop
            .Where(other => resumeOrder.Compare(other, workload) < 0)
            .Aggregate(growth, (sum, other) =>
                sum + Amount.Max(Amount.Zero, other.Cost.Needed + other.Cost.StopCost - CountsWith(other, workload, budget))
            );
        // Workloads behind it that fit the present limit may resume before that is raised.
        var behind = order
            .Skip(position + 1)
            .Where(other => IsSuspended(other) && other.Snapshot.Rate is not null && !IsNoLongerEligible(other.Snapshot, budget))
            .ToArray();
        var neededBehind =
            budget.Terms.Window.Period == WindowPeriod.Rolling
                ? NeededBehindRolling(behind, plan)
                : NeededAhead(behind, totals.Limit, totals.Limit, plan);
        // The workloads ahead may fit in more than the named limit: stops may cost less than their bound, and running workloads may be
        // suspended.
        var mayBecomeFree =
            ahead.Length == 0
                ? Amount.Zero
                : RunsUnreserved(workload, plan)
                    .Aggregate(totals.OverspendBound + totals.Ending, (sum, other) =>
                        sum + other.Snapshot.BurnRate.For(WorkloadCost.MinimumRun)
                    )
                    + mayStop.Aggregate(
                        CountsAsRunning(workload, plan) ? CountsWith(workload, workload, budget) : Amount.Zero,
                        (sum, other) => sum + CountsWith(other, workload, budget)
                    );
        Amount enough,
            least = alone;
        for (var round = 0; ; round++)
        {
            enough = (least + growth + least.Percent(1)).RoundUp();
            // Each round a higher limit may let more workloads fit. After four rounds all count, so the loop ends.
            var taken =
                round < 4
                    ? NeededAhead(ahead, enough + mayBecomeFree, enough, plan)
                    : ahead.Aggregate(Amount.Zero, (sum, other) => sum + other.Cost.Needed);
            if (alone + neededBehind + taken <= least)
                break;
            least = alone + neededBehind + taken;
        }
        return plan.SetNamedLimit(
            workload,
            workload.Snapshot.Suspension is { EnoughLimit: { } named }
            && named > totals.Limit
            && (named <= enough + enough.Percent(10) || budget.Now - workload.Snapshot.Suspension.Since <= NamedFor)
            && alone + neededBehind + growth + NeededAhead(ahead, named + mayBecomeFree, named, plan) <= named
                ? named
                : enough
        );
    }

    /// <summary>
    /// Whether the window ends before a limit named now has been enough for <see cref="NamedFor"/>. No limit is named then, because the
    /// next window has its own spending, top-ups and workloads.
    /// </summary>
    public static bool WindowEndsSoon(CostedWorkload workload, BudgetSnapshot budget) =>
        budget.Terms.Window.Period != WindowPeriod.Rolling && budget.Window.End - budget.Now < ValidFor(workload, budget);

    /// <summary>Returns how long a limit named now must be enough. A workload with a checkpoint request is suspended later.</summary>
    private static TimeSpan ValidFor(CostedWorkload workload, BudgetSnapshot budget) =>
        workload.Snapshot.State == WorkloadState.SuspendedByBudget
            ? NamedFor
            : NamedFor + CheckpointRule.RemainingWait(workload.Snapshot, budget);

    /// <summary>The period in which a named limit must be enough, at the current rate of everything that runs.</summary>
    /// <param name="MaySuspend">Whether the forecast or the limit may suspend running workloads in it.</param>
    /// <param name="LapsingReservations">The amount now reserved for workloads that run past the end of the window, which is not spent if their pods do
    /// not run.</param>
    public sealed record NamedPeriod(bool MaySuspend, Amount LapsingReservations);

    private static NamedPeriod PeriodOf(Plan plan)
    {
        if (plan.NamedLimitPeriod is { } known)
            return known;
        var (budget, totals, later) = (plan.Budget, plan.Totals, HorizonAfterNamed(plan.Budget));
        CostedWorkload[] runs = [.. plan.Active.Where(workload => !StopsNow(plan, workload))];
        var maySuspend =
            runs.Aggregate(totals.Spent + totals.OverspendBound, (sum, workload) => sum + workload.Snapshot.BurnRate.For(NamedFor))
                >= totals.Allowed
            || ForecastAhead.Needed(
                budget,
                totals,
                plan.Workloads.Where(workload => StopsNow(plan, workload)),
                ForecastRule.CountedJobs(runs.Where(workload => workload.IsActiveJob), budget),
                runs,
                NamedFor
            ) > totals.Allowed;
        var lapsing = runs.Aggregate(Amount.Zero, (sum, workload) =>
            sum
            + Amount.Max(
                Amount.Zero,
                workload.Cost.Likely
                    - Amount.Min(workload.Cost.Likely, (workload.Snapshot.Rate ?? HourlyCost.Zero).For(later))
                    - workload.Snapshot.BurnRate.For(NamedFor)
            )
        );
        return plan.NamedLimitPeriod = new(maySuspend, lapsing);
    }

    /// <summary>Returns the rest of the window after <see cref="NamedFor"/>.</summary>
    internal static TimeSpan HorizonAfterNamed(BudgetSnapshot budget) =>
        WorkloadCost.Horizon(budget) is var horizon && horizon > NamedFor ? horizon - NamedFor : TimeSpan.Zero;

    /// <summary>Returns the amount that a running workload counts with when the limit for another one is tested.</summary>
    private static Amount CountsWith(CostedWorkload other, CostedWorkload workload, BudgetSnapshot budget) =>
        other.Cost.DurationKnown || WorkloadCost.ReservesWindow(other.Snapshot, budget) || !(other.Snapshot.BurnRate > HourlyCost.Zero)
            ? other.Cost.Likely
            : other.Snapshot.BurnRate.For(TimeBeside(workload, WorkloadCost.Horizon(budget)));

    /// <summary>Returns the amount that the workloads ahead use of a limit. Each that may fit counts with all it may need.</summary>
    /// <param name="ahead">The workloads ahead, in the order in which they resume.</param>
    /// <param name="sum">The amount up to which a workload may fit beside those ahead of it.</param>
    /// <param name="limit">The limit that a workload must fit by itself.</param>
    private static Amount NeededAhead(IReadOnlyList<CostedWorkload> ahead, Amount sum, Amount limit, Plan plan)
    {
        Amount likely = Amount.Zero,
            most = Amount.Zero;
        // A workload that runs past the end of the window needs less of it if the limit is raised later.
        var rolling = plan.Budget.Terms.Window.Period == WindowPeriod.Rolling;
        var later = HorizonAfterNamed(plan.Budget);
        sum += PeriodOf(plan).LapsingReservations;
        foreach (var other in ahead)
        {
            var cost = other.Cost;
            // A rolling sum is not additive, so all of them count.
            var fits =
                rolling || LimitAlone(other, plan) - cost.Needed + cost.NeededLater + likely <= sum && cost.NeededInEmptyWindow <= limit;
            if (!fits)
                continue;
            likely += cost.DurationKnown ? Amount.Min(cost.Likely, other.Snapshot.Rate!.Value.For(later)) : Amount.Zero;
            most += cost.Needed;
        }
        return most;
    }

    /// <summary>
    /// Returns the amount that workloads behind may use of a rolling limit. Older spending leaves the window all the time, so each that
    /// fits an empty window counts. Together they use at most the limit, because one window, a window's length from now, contains
    /// everything that begins now.
    /// </summary>
    private static Amount NeededBehindRolling(IEnumerable<CostedWorkload> behind, Plan plan) =>
        Amount.Min(
            plan.Totals.Limit,
            behind.Where(other => !NeverFits(other, plan.Totals)).Aggregate(Amount.Zero, (sum, other) => sum + other.Cost.Needed)
        );

    private static Amount LimitAlone(CostedWorkload workload, Plan plan) =>
        plan.NeededAlone.TryGetValue(workload, out var known)
            ? known
            : plan.NeededAlone[workload] = LimitToResume(workload, plan, plan.Totals.AllMinimumReplicasClaims, coverUnreserved: true);

    private static Amount LimitToResume(CostedWorkload workload, Plan plan, IReadOnlyList<Claim> minimumReplicas, bool coverUnreserved)
    {
        var budget = plan.Budget;
        var others = plan
            .Active.Where(other =>
                other.IsActiveJob
                && other.Uid != workload.Uid
                && !StopsNow(plan, other)
                && !BudgetTotals.ReleasesReservation(other.Snapshot, budget)
            )
            .ToArray();
        var rolling = budget.Terms.Window.Period == WindowPeriod.Rolling;
        var run = TimeBeside(workload, WorkloadCost.Horizon(budget));
        // A rolling sum falls while older spending leaves the window, which can offset the cost of workloads without a reservation. Without
        // their cost of NamedFor, the limit could be reached seconds after the resume.
        if (!coverUnreserved)
            run =
                !rolling ? TimeSpan.Zero
                : run < NamedFor ? run
                : NamedFor;
        var unreserved = RunsUnreserved(workload, plan)
            .Select(other => new Claim(other.Snapshot.BurnRate, other.Snapshot.BurnRate.For(run)));
        // Workloads that are being suspended, or are about to be, still cost their stop.
        var ending =
            plan.Totals.Ending
            + plan.Active.Where(other => other.Uid != workload.Uid && StopsNow(plan, other))
                .Aggregate(Amount.Zero, (sum, other) => sum + other.Cost.StopCost);
        var needed = plan.Totals.Projection.Total([
            .. minimumReplicas,
            .. plan.Totals.ReleasedClaims,
            .. others
                .Where(other =>
                    run == TimeSpan.Zero
                    || other.Cost.DurationKnown
                    || WorkloadCost.ReservesWindow(other.Snapshot, budget)
                    || !(other.Snapshot.BurnRate > HourlyCost.Zero)
                )
                .Select(other => new Claim(other.Snapshot.Rate ?? HourlyCost.Zero, other.Cost.Likely)),
            .. unreserved,
            new(workload.Snapshot.Rate ?? HourlyCost.Zero, workload.Cost.Needed),
            new(HourlyCost.Zero, ending),
        ]);
        // The limit test must not suspend the workload again at once. In a rolling window that test applies at the peak too.
        var stops = plan
            .Active.Where(other => other.Suspendable && !StopsNow(plan, other))
            .Aggregate(WorkloadCost.StopCostOnceRunning(workload.Snapshot, budget), (sum, other) => sum + other.Cost.StopCost);
        return rolling ? needed + stops : Amount.Max(needed, budget.Spent + stops + ending);
    }

    private static bool CountsAsRunning(CostedWorkload workload, Plan plan) =>
        workload.Snapshot.State is WorkloadState.Running or WorkloadState.Pending && !StopsNow(plan, workload);

    /// <summary>
    /// Whether this decision stops the workload without waiting. A limit that keeps one workload running must cover all that keep running.
    /// In Observe mode everything does, and so does a workload that waits for its checkpoint.
    /// </summary>
    private static bool StopsNow(Plan plan, CostedWorkload workload) =>
        !plan.Budget.Observes && plan.IsStopping(workload) && CheckpointRule.StepOf(workload, plan) == CheckpointStep.Stop;

    /// <summary>
    /// Returns the running workloads that no claim covers: their end is unknown, and the budget reserves only their stop cost.
    /// </summary>
    private static IEnumerable<CostedWorkload> RunsUnreserved(CostedWorkload workload, Plan plan) =>
        plan.Active.Where(other =>
            other.Uid != workload.Uid
            && other.Snapshot.State is WorkloadState.Running
            && other.Snapshot.BurnRate > HourlyCost.Zero
            && !StopsNow(plan, other)
            && (
                other.Snapshot.Class == WorkloadClass.Training
                    ? !other.Cost.DurationKnown && !WorkloadCost.ReservesWindow(other.Snapshot, plan.Budget)
                    : other.Cost.Likely <= Amount.Zero
            )
        );

    /// <summary>Whether the workload needs more than the limit even in a new window without other workloads.</summary>
    public static bool NeverFits(CostedWorkload workload, BudgetTotals totals) => workload.Cost.NeededInEmptyWindow > totals.Limit;

    /// <summary>Returns how long other workloads must be covered beside it: one hour, or its own run time if that is shorter.</summary>
    private static TimeSpan TimeBeside(CostedWorkload workload, TimeSpan horizon)
    {
        var run =
            workload.Snapshot.Class == WorkloadClass.Training
            && WorkloadCost.AfterResume(workload.Snapshot) is { IsKnown: true } estimate
            && estimate.High < WorkloadCost.MinimumRun
                ? estimate.High
                : WorkloadCost.MinimumRun;
        return run < horizon ? run : horizon;
    }

    /// <summary>
    /// Whether the workload became exempt while suspended, or is inference that the budget now keeps at minimum replicas. An interactive
    /// workload that was idle stays suspended.
    /// </summary>
    internal static bool IsNoLongerEligible(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        workload.Exempt
        || workload.Class != WorkloadClass.Training
            && budget.Terms.WhenExhausted == WhenExhausted.MinReplicas
            && !(workload is { Class: WorkloadClass.Interactive, Suspension.Reason: Reasons.SuspendedIdle });

    /// <summary>
    /// Returns the reason to resume at once: an event since the suspension that makes budget available and is no estimate. Null if there
    /// was none.
    /// </summary>
    public static string? Cause(WorkloadSnapshot workload, BudgetSnapshot budget, BudgetTotals totals, BudgetMemory memory)
    {
        var suspended = workload.Suspension!;
        return workload.ResumeApproved && !suspended.Approved ? Reasons.Approved
            : suspended.Reason == Reasons.SuspendedIdle ? null
            : suspended.WindowKey != budget.Window.Key ? Reasons.NewWindow
            : totals.Limit > suspended.Limit || memory.Raised > suspended.Raised ? Reasons.BudgetRaised
            : memory.Freed > suspended.Freed ? Reasons.BudgetAvailable
            : AvailableHasRisen(suspended, budget, totals)
                ? budget.Terms.Window.Period == WindowPeriod.Rolling ? Reasons.SpendRolledOff
                    : Reasons.BudgetAvailable
            : workload.Rate is { } rate && suspended.Rate is { } then && rate < then ? Reasons.CostFell
            // The original reason is unknown, so the workload resumes as soon as it fits.
            : suspended.Reason == Reasons.RecordRestored ? Reasons.RecordRestored
            : suspended.Reason == Reasons.UnknownDuration && workload.Estimate.IsKnown ? Reasons.DurationKnown
            : null;
    }

    /// <summary>
    /// Whether the available amount has risen since the suspension: older spending left a rolling window, a price or record was corrected,
    /// a workload left the selector, or inference ended or shrank. It must rise by the headroom (at least 1 % of the limit), or spending
    /// must have fallen to zero. Otherwise a job would be resumed and suspended with each change of its estimate.
    /// </summary>
    public static bool AvailableHasRisen(SuspendedSnapshot suspended, BudgetSnapshot budget, BudgetTotals totals)
    {
        var step = totals.Limit.Percent(Math.Max(1, budget.Terms.HeadroomPercent));
        if (suspended.Available is { } available && totals.Available > available && totals.Available - available >= step)
            return true;
        return suspended.Spent is { } then
            ? then > budget.Spent && (budget.Spent <= Amount.Zero || then - budget.Spent >= step)
            : budget.Terms.Window.Period == WindowPeriod.Rolling;
    }
}
