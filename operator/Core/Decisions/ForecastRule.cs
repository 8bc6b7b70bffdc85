using System.Collections.ObjectModel;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The forecast test: the amount spent plus what all jobs still cost must stay within the limit. Jobs that exceed it are suspended
/// (<see cref="Victims"/>), and jobs that fit are admitted. The test pauses while metering is stale or prices are not trusted, and for one
/// job while its progress is stale.
/// </summary>
internal static class ForecastRule
{
    public static void Evaluate(Plan plan)
    {
        var (budget, totals, workloads, memory) = (plan.Budget, plan.Totals, plan.Workloads, plan.Memory);
        // The limit test has suspended everything, so there is nothing left to forecast.
        if (LimitRule.IsReached(totals))
            return;

        var jobs = workloads.Where(workload => workload.IsActiveJob && !plan.IsSuspending(workload)).ToArray();
        if (budget.ForecastDoubt is not null)
        {
            foreach (var workload in jobs.Where(workload => workload.Snapshot.Rate is not null))
                plan.Keep(workload, Reasons.ForecastPaused, Messages.Paused(budget));
            return;
        }
        foreach (var workload in jobs)
            if (workload.Snapshot.Estimate.Stale)
                plan.Keep(workload, Reasons.ForecastPaused, Messages.ProgressStale(workload));
        if (totals.MinimumReplicasExceedLimit)
        {
            SuspendNew(plan, jobs);
            return;
        }

        var claims = CountedJobs(jobs, budget);
        // Workloads with a checkpoint request keep spending until they are suspended.
        var awaitingCheckpoint = workloads.Where(workload => plan.IsRequested(workload)).ToArray();
        Amount Excess(IReadOnlyCollection<CostedWorkload> suspended) =>
            Needed(plan, awaitingCheckpoint, claims, suspended) - totals.Allowed;

        IReadOnlyDictionary<string, DateTimeOffset> announced = ReadOnlyDictionary<string, DateTimeOffset>.Empty;
        if (Excess([]) > Amount.Zero)
        {
            var candidates = Candidates(claims, budget);
            var settling = candidates.Where(workload => BudgetMemoryUpdate.IsSettling(workload.Snapshot, memory, budget.Now)).ToArray();
            var victims = Victims.Choose(candidates.Except(settling), claims, Excess, budget, memory);
            var needed = Needed(plan, awaitingCheckpoint, claims, []);
            announced = SuspensionNotice.From(victims, budget, totals.Allowed, memory, claim =>
                Needed(totals, awaitingCheckpoint, claims, [], claim)
            );
            CostedWorkload[] now = [.. victims.Where(workload => !announced.ContainsKey(workload.Uid))];
            plan.MarkStopping(now);
            foreach (var victim in now)
                plan.Suspend(
                    victim,
                    ReasonOf(victim, memory),
                    Messages.Overrun(victim, plan, needed, ResumeRule.NamedLimit(victim, plan)),
                    byForecast: true
                );
            foreach (var later in victims.Except(now).GroupBy(workload => announced[workload.Uid]))
            {
                foreach (var workload in later)
                    plan.Keep(workload, Reasons.Settling, Messages.Announced(workload, budget, later.Key + budget.Terms.Settle));
                plan.Warn(
                    Reasons.WillSuspend,
                    $"{budget.Window.Key}/{later.Key:O}",
                    Messages.WillSuspendJobs([.. later], budget, totals, needed, later.Key + budget.Terms.Settle),
                    [.. later]
                );
            }
            if (settling.Length > 0 && Excess(victims) > Amount.Zero)
            {
                foreach (var workload in settling)
                    plan.Keep(workload, Reasons.Settling, Messages.Settling(budget, memory));
                var first = Victims.Choose(settling, claims, suspended => Excess([.. victims, .. suspended]), budget, memory);
                if (first.Count == 0)
                    first = settling;
                plan.Warn(
                    Reasons.WillSuspend,
                    $"{budget.Window.Key}/{memory.SettleFrom:O}",
                    Messages.WillSuspend(first, budget, totals, needed, memory),
                    first
                );
                announced = announced
                    .Concat(first.Select(workload => KeyValuePair.Create(workload.Uid, memory.SettleFrom!.Value)))
                    .ToSorted();
            }
        }
        if (announced.Count + memory.SuspensionsAnnounced.Count > 0)
            plan.Memory = memory with { SuspensionsAnnounced = announced };
        var kept = claims.Where(workload => !plan.IsSuspending(workload)).ToArray();
        // Jobs whose suspension is announced do not keep others from being admitted.
        var leaving = kept.Where(workload => announced.ContainsKey(workload.Uid)).ToArray();
        if (Needed(plan, awaitingCheckpoint, kept, leaving) <= totals.Allowed)
            plan.Memory = Admissions.Record(
                kept.Except(leaving).Where(workload => !workload.Snapshot.IgnoresSuspension && !plan.IsContested(workload)),
                budget,
                plan.Memory
            );
    }

    /// <summary>
    /// Suspends jobs that another budget has suspended and whose released reservation is used by other jobs, also by one that this decision
    /// resumes. Otherwise the other budget would resume them and this one would suspend them at once.
    /// </summary>
    public static void SuspendReleasedReservations(Plan plan)
    {
        var budget = plan.Budget;
        if (LimitRule.IsReached(plan.Totals) || budget.ForecastDoubt is not null || plan.Totals.MinimumReplicasExceedLimit)
            return;
        var jobs = plan.Workloads.Where(workload => workload.IsActiveJob && !plan.IsSuspending(workload)).ToArray();
        var awaitingCheckpoint = plan.Workloads.Where(workload => plan.IsRequested(workload)).ToArray();
        CostedWorkload[] kept = [.. CountedJobs(jobs, budget), .. plan.Workloads.Where(plan.IsDecidedToResume)];
        foreach (
            var workload in jobs.Where(workload =>
                workload is { Suspendable: true, Snapshot.IsSuspendedByOtherBudget: true, Snapshot.Estimate.Stale: false }
                && BudgetTotals.ReleasesReservation(workload.Snapshot, budget)
            )
        )
        {
            var needed = Needed(plan, awaitingCheckpoint, [.. kept, workload], []);
            if (needed > plan.Totals.Allowed)
                plan.Suspend(
                    workload,
                    Reasons.DoesNotFit,
                    Messages.Overrun(workload, plan, needed, ResumeRule.NamedLimit(workload, plan)),
                    byForecast: true
                );
        }
    }

    /// <summary>
    /// Suspends new jobs only, because inference at minimum replicas alone exceeds the limit and suspending running jobs would not change
    /// that.
    /// </summary>
    private static void SuspendNew(Plan plan, IReadOnlyList<CostedWorkload> jobs)
    {
        var memory = plan.Memory;
        CostedWorkload[] newJobs =
        [
            .. jobs.Where(workload =>
                workload.Suspendable
                && !workload.Snapshot.Estimate.Stale
                && !memory.Admitted.ContainsKey(workload.Uid)
                && workload.Snapshot.CreatedAt >= memory.FirstSeen
            ),
        ];
        plan.MarkStopping(newJobs);
        foreach (var workload in jobs)
            if (newJobs.Contains(workload))
                plan.Suspend(
                    workload,
                    Reasons.DoesNotFit,
                    Messages.MinimumReplicasKeepRunning(workload, plan, ResumeRule.NamedLimit(workload, plan)),
                    byForecast: true
                );
            else if (workload.Snapshot.NotCoveredBy is null)
                plan.Keep(workload, Reasons.MinimumReplicasExceedLimit, Messages.MinimumReplicasLeave(plan.Budget, plan.Totals));
    }

    /// <summary>Returns the jobs that the forecast test counts.</summary>
    internal static CostedWorkload[] CountedJobs(IEnumerable<CostedWorkload> jobs, BudgetSnapshot budget) =>
        [.. jobs.Where(workload => !BudgetTotals.ReleasesReservation(workload.Snapshot, budget))];

    /// <summary>Returns the counted jobs that a forecast may suspend.</summary>
    internal static CostedWorkload[] Candidates(IEnumerable<CostedWorkload> claims, BudgetSnapshot budget) =>
        [
            .. claims.Where(workload =>
                workload is { Suspendable: true, Snapshot.Estimate.Stale: false }
                && (CheckpointRule.RequestOf(workload.Snapshot, budget) is not null || !IsAlmostDone(workload, budget))
            ),
        ];

    private static Amount Needed(
        Plan plan,
        IEnumerable<CostedWorkload> awaitingCheckpoint,
        IEnumerable<CostedWorkload> claims,
        IReadOnlyCollection<CostedWorkload> suspended
    ) => Needed(plan.Totals, awaitingCheckpoint, claims, suspended, workload => workload.Cost.Planned);

    /// <param name="totals">The sums of the snapshot.</param>
    /// <param name="awaitingCheckpoint">The workloads with a checkpoint request.</param>
    /// <param name="claims">The jobs that are counted.</param>
    /// <param name="suspended">The counted jobs that are suspended.</param>
    /// <param name="claim">The amount that a job counts with.</param>
    internal static Amount Needed(
        BudgetTotals totals,
        IEnumerable<CostedWorkload> awaitingCheckpoint,
        IEnumerable<CostedWorkload> claims,
        IReadOnlyCollection<CostedWorkload> suspended,
        Func<CostedWorkload, Amount> claim
    )
    {
        var leaving = new HashSet<CostedWorkload>(suspended, ReferenceEqualityComparer.Instance);
        return totals.Projection.Total(
            totals
                .MinimumReplicasClaims.Concat(totals.ReleasedClaims)
                .Concat(awaitingCheckpoint.Select(workload => new Claim(workload.Snapshot.Rate ?? HourlyCost.Zero, workload.Cost.StopCost)))
                .Concat(
                    claims.Select(workload => new Claim(
                        workload.Snapshot.Rate ?? HourlyCost.Zero,
                        leaving.Contains(workload) ? Victims.StillSpends(workload) : claim(workload)
                    ))
                )
        );
    }

    private static string ReasonOf(CostedWorkload victim, BudgetMemory memory) =>
        Plan.WasReverted(victim) ? Reasons.SuspendedAgain
        : memory.Admitted.ContainsKey(victim.Uid) || victim.Snapshot.BurnRate > HourlyCost.Zero ? Reasons.ProjectedOverBudget
        : Reasons.DoesNotFit;

    /// <summary>
    /// Whether the job ends before a suspension would take effect. Suspending it would save nothing and lose its progress.
    /// </summary>
    private static bool IsAlmostDone(CostedWorkload workload, BudgetSnapshot budget) =>
        workload.Cost.DurationKnown
        && workload.Snapshot.State == WorkloadState.Running
        && workload.Snapshot.Estimate.Likely < WorkloadCost.StopTime(workload.Snapshot, budget);
}
