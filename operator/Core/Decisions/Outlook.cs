using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The projection: a budget's spending until the end of its window if nothing new starts. A job of known duration counts to its likely end.
/// Everything else counts at its current rate, until the window ends or this budget suspends it at the limit. Status, printer columns,
/// conditions, thresholds, Events and metrics all show this value. The forecast test uses another sum (<see cref="BudgetTotals.Planned"/>).
/// It leaves out workloads that are suspended at the limit anyway, so that they do not cost a job its place.
/// </summary>
public sealed record Outlook
{
    /// <summary>Spending at the end of the window. In a rolling window, the largest sum of any window from now on.</summary>
    public required Amount Projected { get; init; }

    /// <summary>When the limit is reached. Null: the window ends first.</summary>
    public DateTimeOffset? LimitReachedAt { get; init; }

    /// <summary>When running workloads are suspended for it, which is their stop cost before the limit. Null: none would be.</summary>
    public DateTimeOffset? SuspendsAt { get; init; }

    /// <summary>The first time at which the limit has an effect. Null: not in this window.</summary>
    public DateTimeOffset? RunsOutAt => LimitReachedAt ?? SuspendsAt;

    /// <summary>Whether a running job is expected to end before <see cref="RunsOutAt"/>, so that the rate falls before then.</summary>
    public bool JobsEndBefore { get; init; }

    /// <summary>Whether running jobs are already being suspended.</summary>
    public bool JobsStopNow { get; init; }

    /// <summary>The workloads suspended at <see cref="SuspendsAt"/>.</summary>
    public IReadOnlyList<CostedWorkload> Suspends { get; init; } = [];

    /// <summary>The workloads that keep running past the limit, because this budget cannot suspend them.</summary>
    public IReadOnlyList<CostedWorkload> Continues { get; init; } = [];

    /// <summary>
    /// When the forecast test suspends jobs although nothing new starts, because workloads without a reservation spend what is reserved.
    /// Null: not before the limit test suspends workloads.
    /// </summary>
    public DateTimeOffset? ForecastAt { get; init; }

    /// <summary>The jobs suspended at <see cref="ForecastAt"/>.</summary>
    public IReadOnlyList<CostedWorkload> ForecastSuspends { get; init; } = [];

    /// <summary>When the next workload is suspended, by forecast or at the limit. Null: none is.</summary>
    public DateTimeOffset? NextSuspendsAt => ForecastAt ?? SuspendsAt;

    /// <summary>Spending at the end of the window if nothing were suspended.</summary>
    public required Amount Unlimited { get; init; }

    /// <summary>The part of <see cref="Projected"/> that each workload has not spent yet, by UID.</summary>
    public IReadOnlyDictionary<string, Amount> ToCome { get; init; } = new Dictionary<string, Amount>(StringComparer.Ordinal);

    /// <param name="suspends">Whether this budget suspends workloads at its limit: it enforces and its window is open.</param>
    /// <param name="stopping">The workloads that this decision suspends, which only cost their stop. Null: none.</param>
    public static Outlook From(
        BudgetSnapshot budget,
        BudgetTotals totals,
        IReadOnlyList<CostedWorkload> workloads,
        bool suspends,
        Func<CostedWorkload, bool>? stopping = null
    )
    {
        var horizon = WorkloadCost.Horizon(budget);
        var courses = workloads
            .Select(workload =>
            {
                var ends = stopping?.Invoke(workload) == true;
                return new Course(
                    workload,
                    ends || IsNew(workload, budget) ? Stop(workload) : ClaimOf(workload, budget, horizon),
                    !ends && IsSuspendable(workload)
                );
            })
            .ToArray();
        var unlimited = totals.Projection.Total(courses.Select(course => course.Claim));
        var reached = totals.Spent > totals.Limit ? budget.Now : First(budget, totals, courses, horizon, _ => totals.Limit + new Amount(1));
        var stops = First(budget, totals, courses, horizon, bound => totals.Allowed - bound);
        var suspended = stops is { } at
            ? courses
                .Where(course =>
                    course.Suspendable
                    // A workload that another budget stops does not run by then.
                    && course.Item.Snapshot.NotCoveredBy is null
                    && (course.Item.Snapshot.State == WorkloadState.Pending || course.MayRunAfter(at - budget.Now))
                )
                .ToArray()
            : [];
        if (suspended.Length == 0)
            stops = null;
        if (reached is null && stops is null || horizon <= TimeSpan.Zero)
            return new()
            {
                Projected = unlimited,
                Unlimited = unlimited,
                ToCome = ByUid(courses),
            };

        var ahead = ForecastAhead.From(budget, totals, workloads, stops ?? reached!.Value, stopping);
        if (ahead is not null)
            suspended = [.. suspended.Where(course => ahead.Suspends.All(workload => workload.Uid != course.Item.Uid))];
        var end = reached ?? stops!.Value;
        var cut = !suspends
            ? courses
            : courses
                .Select(course =>
                    course is { Suspendable: true, Item.Cost.DurationKnown: false }
                        ? course.Until(end - budget.Now + WorkloadCost.StopTime(course.Item.Snapshot, budget))
                        : course
                )
                .ToArray();
        var projected = totals.Projection.Total(cut.Select(course => course.Claim));
        return new()
        {
            Projected = reached is null ? projected : Amount.Max(projected, Amount.Max(totals.Spent, totals.Limit)),
            LimitReachedAt = reached,
            SuspendsAt = stops,
            JobsEndBefore = courses.Any(course =>
                course.Item is { Cost.DurationKnown: true, Snapshot.BurnRate: var rate }
                && rate > HourlyCost.Zero
                && stopping?.Invoke(course.Item) != true
                && !course.EndsAfter(end - budget.Now)
            ),
            JobsStopNow = courses.Any(course => course.Item.Snapshot.BurnRate > HourlyCost.Zero && stopping?.Invoke(course.Item) == true),
            Suspends = [.. suspended.Select(course => course.Item)],
            ForecastAt = ahead?.At,
            ForecastSuspends = ahead?.Suspends ?? [],
            Continues =
            [
                .. courses
                    .Where(course =>
                        reached is not null
                        && !course.Suspendable
                        && course.Item.Snapshot.State is WorkloadState.Running or WorkloadState.Pending
                        && course.EndsAfter(end - budget.Now)
                    )
                    .Select(course => course.Item),
            ],
            Unlimited = unlimited,
            ToCome = ByUid(cut),
        };
    }

    /// <summary>
    /// Returns the remaining spending of one workload: a job of known duration to its likely end, everything else at its current rate to
    /// the end of the window.
    /// </summary>
    public static Claim ClaimOf(CostedWorkload workload, BudgetSnapshot budget, TimeSpan horizon)
    {
        var snapshot = workload.Snapshot;
        if (snapshot.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther)
            return Stop(workload);
        if (snapshot.Class == WorkloadClass.Training && BudgetTotals.ReleasesReservation(snapshot, budget))
            return default;
        if (snapshot.Class == WorkloadClass.Training && workload.Cost.DurationKnown)
            return new(snapshot.Rate ?? HourlyCost.Zero, workload.Cost.Settled);
        var atPresentRate = snapshot.BurnRate.For(horizon);
        return workload.Cost.Settled > atPresentRate
            ? new(snapshot.Rate ?? HourlyCost.Zero, workload.Cost.Settled)
            : new(snapshot.BurnRate, atPresentRate);
    }

    private static bool IsSuspendable(CostedWorkload workload) =>
        workload.Suspendable && workload.Snapshot.State is WorkloadState.Running or WorkloadState.Pending;

    /// <summary>A new job usually reports its duration within this time. Until then it is not announced as a risk.</summary>
    private static readonly TimeSpan NewJobAge = TimeSpan.FromMinutes(2);

    internal static bool IsNew(CostedWorkload workload, BudgetSnapshot budget) =>
        workload is { IsActiveJob: true, Cost.DurationKnown: false, Snapshot.Estimate.Stale: false }
        && workload.Cost.Settled <= workload.Cost.StopCost
        && budget.Now - workload.Snapshot.CreatedAt < NewJobAge;

    private static Claim Stop(CostedWorkload workload) => new(workload.Snapshot.BurnRate, workload.Cost.StopCost);

    private static Dictionary<string, Amount> ByUid(IEnumerable<Course> courses)
    {
        var amounts = new Dictionary<string, Amount>(StringComparer.Ordinal);
        foreach (var course in courses)
            amounts[course.Item.Uid] = course.Claim.Amount;
        return amounts;
    }

    /// <summary>
    /// Returns the first time at which spending reaches an amount, which may depend on the stop cost of all that still runs. Null: never.
    /// </summary>
    private static DateTimeOffset? First(
        BudgetSnapshot budget,
        BudgetTotals totals,
        IReadOnlyList<Course> courses,
        TimeSpan horizon,
        Func<Amount, Amount> target
    )
    {
        var stops = courses.Where(course => course.Suspendable).Aggregate(Amount.Zero, (sum, course) => sum + course.Item.Cost.StopCost);
        if (budget.Terms.Window.Period == Budgets.WindowPeriod.Rolling)
            return totals.Projection.FirstAt(courses.Select(course => course.Claim), target(stops));
        var sum =
            budget.Spent
            + courses.Where(course => course.Milliseconds == 0).Aggregate(Amount.Zero, (all, course) => all + course.Claim.Amount);
        var running = courses.Where(course => course.Milliseconds > 0).OrderBy(course => course.Milliseconds).ToArray();
        Int128 slope = 0;
        foreach (var course in running)
            slope += course.Claim.Rate.NanoPerHour;
        Int128 from = 0;
        var most = (Int128)horizon.TotalMilliseconds;
        for (var i = 0; i <= running.Length; i++)
        {
            var to = i < running.Length ? Int128.Min(running[i].Milliseconds, most) : most;
            var missing = (target(stops) - sum).Units;
            if (missing <= 0)
                return budget.Now.AddMilliseconds((double)from);
            if (slope > 0 && (missing + slope - 1) / slope is var after && from + after <= to)
                return budget.Now.AddMilliseconds((double)(from + after));
            if (i == running.Length)
                break;
            sum += new Amount(slope * (to - from));
            from = to;
            slope -= running[i].Claim.Rate.NanoPerHour;
            if (running[i].Suspendable)
                stops -= running[i].Item.Cost.StopCost;
        }
        return null;
    }

    private sealed record Course(CostedWorkload Item, Claim Claim, bool Suspendable)
    {
        /// <summary>How long it runs. Zero for an amount that is spent at once.</summary>
        public Int128 Milliseconds { get; } =
            Claim.Rate.NanoPerHour <= 0 ? 0 : (Claim.Amount.Units + Claim.Rate.NanoPerHour - 1) / Claim.Rate.NanoPerHour;

        public bool EndsAfter(TimeSpan time) => Milliseconds > (Int128)time.TotalMilliseconds;

        /// <summary>An estimate that is not settled counts with its low end, so the job may run longer.</summary>
        public bool MayRunAfter(TimeSpan time) =>
            EndsAfter(time)
            || Milliseconds > 0 && Item.Cost.DurationKnown && Claim.Amount < Item.Cost.Likely && Item.Cost.High > Claim.Rate.For(time);

        public Course Until(TimeSpan time) => this with { Claim = Claim with { Amount = Amount.Min(Claim.Amount, Claim.Rate.For(time)) } };
    }
}
