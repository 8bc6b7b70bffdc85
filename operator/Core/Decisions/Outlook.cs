using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The projection: the course of a budget's spending to the end of its window if nothing new starts. A job of known length counts to its
/// likely end, everything else at its present rate to the end of the window, or, where this budget suspends it at the limit, until then.
/// Status, printer columns, conditions, thresholds, Events and metrics all show this one value. The forecast test that suspends jobs is
/// another sum (<see cref="BudgetTotals.Planned"/>): it leaves out what is suspended at the limit anyway, so that such work costs no job its
/// place.
/// </summary>
public sealed record Outlook
{
    /// <summary>Spending at the end of the window; in a rolling window the largest sum that any window from now on holds.</summary>
    public required Amount Projected { get; init; }

    /// <summary>When the limit is reached; null when the window ends first.</summary>
    public DateTimeOffset? LimitReachedAt { get; init; }

    /// <summary>When running work is suspended for it, its stop cost before the limit; null when none would be.</summary>
    public DateTimeOffset? SuspendsAt { get; init; }

    /// <summary>The first moment at which the limit makes itself felt; null: not in this window.</summary>
    public DateTimeOffset? RunsOutAt => LimitReachedAt ?? SuspendsAt;

    /// <summary>The workloads that are suspended then.</summary>
    public IReadOnlyList<CostedWorkload> Suspends { get; init; } = [];

    /// <summary>The workloads that keep running past the limit, because this budget cannot suspend them.</summary>
    public IReadOnlyList<CostedWorkload> Continues { get; init; } = [];

    /// <summary>
    /// When the forecast test suspends jobs although nothing new starts: work that has nothing reserved spends what is reserved for them.
    /// Null: not before the limit test suspends work.
    /// </summary>
    public DateTimeOffset? ForecastAt { get; init; }

    /// <summary>The jobs that are suspended then.</summary>
    public IReadOnlyList<CostedWorkload> ForecastSuspends { get; init; } = [];

    /// <summary>When the next workload is suspended, by forecast or at the limit; null: none is.</summary>
    public DateTimeOffset? NextSuspendsAt => ForecastAt ?? SuspendsAt;

    /// <summary>Spending at the end of the window if nothing were suspended.</summary>
    public required Amount Unlimited { get; init; }

    /// <summary>The part of <see cref="Projected"/> that each workload still has before it, by UID.</summary>
    public IReadOnlyDictionary<string, Amount> ToCome { get; init; } = new Dictionary<string, Amount>(StringComparer.Ordinal);

    /// <param name="budget">The snapshot.</param>
    /// <param name="balance">Its sums.</param>
    /// <param name="work">Its workloads with their charges.</param>
    /// <param name="suspends">Whether this budget suspends work at its limit: it enforces and its window is open.</param>
    /// <param name="stopping">Work that this decision suspends already: only its stop still costs.</param>
    public static Outlook Of(
        BudgetSnapshot budget,
        BudgetTotals balance,
        IReadOnlyList<CostedWorkload> work,
        bool suspends,
        Func<CostedWorkload, bool>? stopping = null
    )
    {
        var horizon = WorkloadCost.Horizon(budget);
        var courses = work.Select(item =>
            {
                var ends = stopping?.Invoke(item) == true;
                return new Course(
                    item,
                    ends || IsYoung(item, budget) ? Stop(item) : ClaimOf(item, budget, horizon),
                    !ends && IsSuspendable(item)
                );
            })
            .ToArray();
        var unlimited = balance.Projection.Of(courses.Select(course => course.Claim));
        var reached =
            balance.Spent > balance.Limit ? budget.Now : First(budget, balance, courses, horizon, _ => balance.Limit + new Amount(1));
        var stops = First(budget, balance, courses, horizon, bound => balance.Allowed - bound);
        var suspended = stops is { } at
            ? courses
                .Where(course =>
                    course.Suspendable && (course.Item.Work.State == WorkloadState.Pending || course.MayRunAfter(at - budget.Now))
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

        var ahead = ForecastAhead.Of(budget, balance, work, stops ?? reached!.Value, stopping);
        if (ahead is not null)
            suspended = [.. suspended.Where(course => ahead.Suspends.All(item => item.Work.Key.Uid != course.Item.Work.Key.Uid))];
        var end = reached ?? stops!.Value;
        var cut = !suspends
            ? courses
            : courses
                .Select(course =>
                    course is { Suspendable: true, Item.Cost.KnownLength: false }
                        ? course.Until(end - budget.Now + WorkloadCost.StopTime(course.Item.Work, budget))
                        : course
                )
                .ToArray();
        var projected = balance.Projection.Of(cut.Select(course => course.Claim));
        return new()
        {
            Projected = reached is null ? projected : Amount.Max(projected, Amount.Max(balance.Spent, balance.Limit)),
            LimitReachedAt = reached,
            SuspendsAt = stops,
            Suspends = [.. suspended.Select(course => course.Item)],
            ForecastAt = ahead?.At,
            ForecastSuspends = ahead?.Suspends ?? [],
            Continues =
            [
                .. courses
                    .Where(course =>
                        reached is not null
                        && !course.Suspendable
                        && course.Item.Work.State is WorkloadState.Running or WorkloadState.Pending
                        && course.EndsAfter(end - budget.Now)
                    )
                    .Select(course => course.Item),
            ],
            Unlimited = unlimited,
            ToCome = ByUid(cut),
        };
    }

    /// <summary>
    /// The spending of one workload that lies ahead: a job of known length to its likely end, everything else at its present rate to the
    /// end of the window.
    /// </summary>
    public static Claim ClaimOf(CostedWorkload item, BudgetSnapshot budget, TimeSpan horizon)
    {
        var work = item.Work;
        if (work.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther)
            return Stop(item);
        if (work.Class == WorkloadClass.Training && BudgetTotals.ReleasesReservation(work, budget))
            return default;
        if (work.Class == WorkloadClass.Training && item.Cost.KnownLength)
            return new(work.Rate ?? HourlyCost.Zero, item.Cost.Settled);
        var burns = work.BurnRate.For(horizon);
        return item.Cost.Settled > burns ? new(work.Rate ?? HourlyCost.Zero, item.Cost.Settled) : new(work.BurnRate, burns);
    }

    private static bool IsSuspendable(CostedWorkload item) =>
        item.Suspendable && item.Work.State is WorkloadState.Running or WorkloadState.Pending;

    /// <summary>A job that has just started tells its length within this time; until then it is no risk to announce.</summary>
    private static readonly TimeSpan Youth = TimeSpan.FromMinutes(2);

    internal static bool IsYoung(CostedWorkload item, BudgetSnapshot budget) =>
        item is { IsActiveJob: true, Cost.KnownLength: false, Work.Estimate.Stale: false }
        && item.Cost.Settled <= item.Cost.StopCost
        && budget.Now - item.Work.CreatedAt < Youth;

    private static Claim Stop(CostedWorkload item) => new(item.Work.BurnRate, item.Cost.StopCost);

    private static Dictionary<string, Amount> ByUid(IEnumerable<Course> courses)
    {
        var amounts = new Dictionary<string, Amount>(StringComparer.Ordinal);
        foreach (var course in courses)
            amounts[course.Item.Work.Key.Uid] = course.Claim.Amount;
        return amounts;
    }

    /// <summary>
    /// The first moment at which spending reaches an amount, which may depend on what stopping all that still runs costs; null: never.
    /// </summary>
    private static DateTimeOffset? First(
        BudgetSnapshot budget,
        BudgetTotals balance,
        IReadOnlyList<Course> courses,
        TimeSpan horizon,
        Func<Amount, Amount> target
    )
    {
        var stops = courses.Where(course => course.Suspendable).Aggregate(Amount.Zero, (sum, course) => sum + course.Item.Cost.StopCost);
        if (budget.Terms.Window.Period == Budgets.WindowPeriod.Rolling)
            return balance.Projection.FirstAt(courses.Select(course => course.Claim), target(stops));
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
        /// <summary>How long it runs; zero for an amount that is spent at once.</summary>
        public Int128 Milliseconds { get; } =
            Claim.Rate.NanoPerHour <= 0 ? 0 : (Claim.Amount.Units + Claim.Rate.NanoPerHour - 1) / Claim.Rate.NanoPerHour;

        public bool EndsAfter(TimeSpan time) => Milliseconds > (Int128)time.TotalMilliseconds;

        /// <summary>An estimate that has not settled counts with its low end, and the job may run longer.</summary>
        public bool MayRunAfter(TimeSpan time) =>
            EndsAfter(time)
            || Milliseconds > 0 && Item.Cost.KnownLength && Claim.Amount < Item.Cost.Likely && Item.Cost.High > Claim.Rate.For(time);

        public Course Until(TimeSpan time) => this with { Claim = Claim with { Amount = Amount.Min(Claim.Amount, Claim.Rate.For(time)) } };
    }
}
