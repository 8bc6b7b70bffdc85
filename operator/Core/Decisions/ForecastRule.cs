using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The forecast: spent + what all work still costs ≤ limit. What overruns it is suspended (<see cref="Victims"/>), what
/// fits is admitted. It pauses while metering is stale or prices are not trusted, and for a job while its progress is.
/// </summary>
internal static class ForecastRule
{
    public static void Evaluate(Plan plan)
    {
        var (budget, balance, work, memory) = (plan.Budget, plan.Totals, plan.Work, plan.Memory);
        // The suspension of all work by the limit test has freed everything; there is nothing left to forecast.
        if (LimitRule.IsReached(balance))
            return;

        var jobs = work.Where(w => w.IsActiveJob && !plan.IsSuspending(w)).ToArray();
        if (budget.ForecastDoubt is not null)
        {
            foreach (var item in jobs.Where(w => w.Work.Rate is not null))
                plan.Keep(item, Reasons.ForecastPaused, Messages.Paused(budget));
            return;
        }
        foreach (var item in jobs)
            if (item.Work.Estimate.Stale)
                plan.Keep(item, Reasons.ForecastPaused, Messages.ProgressStale(item));
        if (balance.MinimumReplicasExceedLimit)
        {
            SuspendNew(plan, jobs);
            return;
        }

        var claims = Claims(jobs, budget);
        // Who is waited for still spends until it is suspended.
        var waits = work.Where(w => plan.IsRequested(w)).ToArray();
        Amount Excess(IReadOnlyCollection<CostedWorkload> suspended) => Needed(plan, waits, claims, suspended) - balance.Allowed;

        IReadOnlyDictionary<string, DateTimeOffset> announced = new SortedDictionary<string, DateTimeOffset>(StringComparer.Ordinal);
        if (Excess([]) > Amount.Zero)
        {
            var candidates = Candidates(claims, budget);
            var settling = candidates.Where(w => BudgetMemoryUpdate.IsSettling(w.Work, memory, budget.Now)).ToArray();
            var victims = Victims.Choose(candidates.Except(settling), claims, Excess, budget, memory);
            var needed = Needed(plan, waits, claims, []);
            announced = SuspensionNotice.Of(victims, budget, balance.Allowed, memory, claim => Needed(balance, waits, claims, [], claim));
            CostedWorkload[] now = [.. victims.Where(w => !announced.ContainsKey(w.Work.Key.Uid))];
            plan.Expect(now);
            foreach (var victim in now)
                plan.Suspend(
                    victim,
                    Why(victim, memory),
                    Messages.Overrun(victim, plan, needed, ResumeRule.NamedLimit(victim, plan)),
                    byForecast: true
                );
            foreach (var later in victims.Except(now).GroupBy(w => announced[w.Work.Key.Uid]))
            {
                foreach (var item in later)
                    plan.Keep(item, Reasons.Settling, Messages.Announced(item, budget, later.Key + budget.Terms.Settle));
                plan.Warn(
                    Reasons.WillSuspend,
                    $"{budget.Window.Key}/{later.Key:O}",
                    Messages.WillSuspendJobs([.. later], budget, balance, needed, later.Key + budget.Terms.Settle),
                    later
                );
            }
            if (settling.Length > 0 && Excess(victims) > Amount.Zero)
            {
                foreach (var item in settling)
                    plan.Keep(item, Reasons.Settling, Messages.Settling(budget, memory));
                var first = Victims.Choose(settling, claims, suspended => Excess([.. victims, .. suspended]), budget, memory);
                if (first.Count == 0)
                    first = settling;
                plan.Warn(
                    Reasons.WillSuspend,
                    $"{budget.Window.Key}/{memory.SettleFrom:O}",
                    Messages.WillSuspend(first, budget, balance, needed, memory),
                    first
                );
                announced = announced.Concat(first.Select(w => KeyValuePair.Create(w.Work.Key.Uid, memory.SettleFrom!.Value))).ToSorted();
            }
        }
        if (announced.Count + memory.SuspensionsAnnounced.Count > 0)
            plan.Memory = memory with { SuspensionsAnnounced = announced };
        var kept = claims.Where(w => !plan.IsSuspending(w)).ToArray();
        // Jobs whose suspension is announced do not keep others from being admitted.
        var leaves = kept.Where(w => announced.ContainsKey(w.Work.Key.Uid)).ToArray();
        if (Needed(plan, waits, kept, leaves) <= balance.Allowed)
            plan.Memory = Admissions.Take(
                kept.Except(leaves).Where(w => !w.Work.IgnoresSuspension && !plan.IsContested(w)),
                budget,
                plan.Memory
            );
        SuspendReleasedReservations(plan, jobs, waits, kept);
    }

    /// <summary>
    /// What another budget holds lends its money after a while. Once that is taken, this budget holds it too: else the other would start
    /// it and this one would stop it again at once.
    /// </summary>
    private static void SuspendReleasedReservations(
        Plan plan,
        IEnumerable<CostedWorkload> jobs,
        IReadOnlyCollection<CostedWorkload> waits,
        IReadOnlyCollection<CostedWorkload> kept
    )
    {
        foreach (
            var item in jobs.Where(w =>
                w is { Suspendable: true, Work.IsSuspendedByOtherBudget: true, Work.Estimate.Stale: false }
                && BudgetTotals.ReleasesReservation(w.Work, plan.Budget)
            )
        )
        {
            var needed = Needed(plan, waits, [.. kept, item], []);
            if (needed > plan.Totals.Allowed)
                plan.Suspend(
                    item,
                    Reasons.DoesNotFit,
                    Messages.Overrun(item, plan, needed, ResumeRule.NamedLimit(item, plan)),
                    byForecast: true
                );
        }
    }

    /// <summary>The floor alone overruns the limit: suspending cannot mend that, so only what is new is held.</summary>
    private static void SuspendNew(Plan plan, IReadOnlyList<CostedWorkload> jobs)
    {
        var memory = plan.Memory;
        CostedWorkload[] held =
        [
            .. jobs.Where(item =>
                item.Suspendable
                && !item.Work.Estimate.Stale
                && !memory.Admitted.ContainsKey(item.Work.Key.Uid)
                && item.Work.CreatedAt >= memory.FirstSeen
            ),
        ];
        plan.Expect(held);
        foreach (var item in jobs)
            if (held.Contains(item))
                plan.Suspend(
                    item,
                    Reasons.DoesNotFit,
                    Messages.MinimumReplicasKeepRunning(item, plan, ResumeRule.NamedLimit(item, plan)),
                    byForecast: true
                );
            else
                plan.Keep(item, Reasons.MinimumReplicasExceedLimit, Messages.MinimumReplicasLeave(plan.Budget, plan.Totals));
    }

    /// <summary>The jobs that the forecast test counts.</summary>
    internal static CostedWorkload[] Claims(IEnumerable<CostedWorkload> jobs, BudgetSnapshot budget) =>
        [.. jobs.Where(w => !BudgetTotals.ReleasesReservation(w.Work, budget))];

    /// <summary>Those of them that a forecast may suspend.</summary>
    internal static CostedWorkload[] Candidates(IEnumerable<CostedWorkload> claims, BudgetSnapshot budget) =>
        [
            .. claims.Where(w =>
                w is { Suspendable: true, Work.Estimate.Stale: false }
                && (CheckpointRule.RequestOf(w.Work, budget) is not null || !IsAlmostDone(w, budget))
            ),
        ];

    private static Amount Needed(
        Plan plan,
        IEnumerable<CostedWorkload> waits,
        IEnumerable<CostedWorkload> claims,
        IReadOnlyCollection<CostedWorkload> suspended
    ) => Needed(plan.Totals, waits, claims, suspended, w => w.Cost.Planned);

    /// <param name="balance">The sums of the snapshot.</param>
    /// <param name="waits">Work that is asked for a checkpoint.</param>
    /// <param name="claims">The jobs that are counted.</param>
    /// <param name="suspended">Those of them that are suspended.</param>
    /// <param name="claim">What a job counts with.</param>
    internal static Amount Needed(
        BudgetTotals balance,
        IEnumerable<CostedWorkload> waits,
        IEnumerable<CostedWorkload> claims,
        IReadOnlyCollection<CostedWorkload> suspended,
        Func<CostedWorkload, Amount> claim
    )
    {
        var leaves = new HashSet<CostedWorkload>(suspended, ReferenceEqualityComparer.Instance);
        return balance.Projection.Of(
            balance
                .MinimumReplicasClaims.Concat(balance.ReleasedClaims)
                .Concat(waits.Select(w => new Claim(w.Work.Rate ?? HourlyCost.Zero, w.Cost.StopCost)))
                .Concat(
                    claims.Select(w => new Claim(w.Work.Rate ?? HourlyCost.Zero, leaves.Contains(w) ? Victims.StillSpends(w) : claim(w)))
                )
        );
    }

    private static string Why(CostedWorkload victim, BudgetMemory memory) =>
        Plan.WasReverted(victim) ? Reasons.SuspendedAgain
        : memory.Admitted.ContainsKey(victim.Work.Key.Uid) || victim.Work.BurnRate > HourlyCost.Zero ? Reasons.ProjectedOverBudget
        : Reasons.DoesNotFit;

    /// <summary>Stopping a job that is done before its stop would be saves nothing and loses its work.</summary>
    private static bool IsAlmostDone(CostedWorkload item, BudgetSnapshot budget) =>
        item.Cost.KnownLength
        && item.Work.State == WorkloadState.Running
        && item.Work.Estimate.Likely < WorkloadCost.StopTime(item.Work, budget);
}
