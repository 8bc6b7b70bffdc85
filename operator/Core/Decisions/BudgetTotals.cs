using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The sums of one evaluation, before any rule has acted.</summary>
public sealed record BudgetTotals
{
    public required Amount Limit { get; init; }

    /// <summary>The limit plus the budget's tolerance, which the forecast and the limit are tested against.</summary>
    public required Amount Allowed { get; init; }

    public required Amount Spent { get; init; }

    /// <summary>The cost that running and admitted workloads still have in this window, with estimates counted at the low end until they settle.</summary>
    public required Amount Reserved { get; init; }

    /// <summary>
    /// Spent and reserved: the sum of the forecast test. It differs from the projection (<see cref="Outlook"/>), in which everything that
    /// runs counts.
    /// </summary>
    public Amount Planned => Spent + Reserved;

    public required Amount OverspendBound { get; init; }

    /// <summary>The overspend bound without waiting for checkpoints.</summary>
    public required Amount ImmediateOverspendBound { get; init; }

    public required Amount CarriedOver { get; init; }

    public required Unstoppable Unstoppable { get; init; }

    /// <summary>The cost of inference at minimum replicas until the window ends.</summary>
    public required Amount MinimumReplicasCost { get; init; }

    /// <summary>
    /// Whether the minimum replicas alone exceed the limit. They are not reserved then, and running workloads are suspended by the limit
    /// test only.
    /// </summary>
    public required bool MinimumReplicasExceedLimit { get; init; }

    /// <summary>The claims of the minimum replicas, if they are reserved.</summary>
    public required IReadOnlyList<Claim> MinimumReplicasClaims { get; init; }

    /// <summary>Claims of all minimum replicas, reserved or not. A limit named as enough must cover them.</summary>
    public required IReadOnlyList<Claim> AllMinimumReplicasClaims { get; init; }

    /// <summary>
    /// The claims of suspended workloads that this budget may no longer suspend. They resume at once, whatever they cost.
    /// </summary>
    public required IReadOnlyList<Claim> ReleasedClaims { get; init; }

    /// <summary>The remaining cost of workloads that are being stopped or deleted. A resume must not count it as available.</summary>
    public required Amount Ending { get; init; }

    /// <summary>
    /// The part of the limit that neither past spending nor minimum replicas use. It contains no estimates. It rises only if a user raises
    /// the limit, corrects a price or a record, or takes a workload out of the budget.
    /// </summary>
    public Amount Available => Limit - Spent - MinimumReplicasCost;

    public required Projection Projection { get; init; }

    public static BudgetTotals From(BudgetSnapshot budget, Amount limit, IReadOnlyList<CostedWorkload> workloads)
    {
        Amount minimum = Amount.Zero,
            carriedOver = Amount.Zero,
            bound = budget.Ending,
            immediateBound = budget.Ending,
            ending = budget.Ending;
        List<Claim> minimumClaims = [],
            jobClaims = [],
            released = [];
        var unstoppable = new List<(string Name, HourlyCost Rate, string Why)>();
        foreach (var workload in workloads)
        {
            var hasCost = workload.Snapshot.BurnRate > HourlyCost.Zero;
            if (workload.Suspendable)
            {
                bound += workload.Cost.StopCost;
                immediateBound += workload.Cost.ImmediateStopCost;
            }
            else if (hasCost || workload.Snapshot is { IsUnreadable: true, State: WorkloadState.Running or WorkloadState.Pending })
            {
                // A scaler gives up the replicas above its minimum at once.
                var elastic = AffordableRate.ElasticStopCost(workload.Snapshot, budget);
                bound += elastic;
                immediateBound += elastic;
                var stays = elastic > Amount.Zero ? workload.Snapshot.MinReplicasRate!.Value : workload.Snapshot.BurnRate;
                if (stays > HourlyCost.Zero || workload.Snapshot.IsUnreadable)
                    unstoppable.Add((workload.DisplayName, stays, WhyNotSuspendable(workload.Snapshot)));
            }

            if (
                workload.Snapshot is { State: WorkloadState.SuspendedByBudget, Suspension: not null, Rate: { } rates }
                && ResumeRule.IsNoLongerEligible(workload.Snapshot, budget)
            )
                released.Add(
                    new(
                        rates,
                        workload.Snapshot.Class == WorkloadClass.Training ? workload.Cost.Likely : rates.For(WorkloadCost.Horizon(budget))
                    )
                );
            if (workload.Snapshot.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther)
                ending += workload.Cost.StopCost;
            else if (workload.Snapshot.Class == WorkloadClass.Inference)
            {
                minimum += workload.Cost.Likely;
                minimumClaims.Add(
                    new(
                        AffordableRate.IsElastic(workload.Snapshot)
                            ? workload.Snapshot.MinReplicasRate!.Value
                            : workload.Snapshot.Rate ?? HourlyCost.Zero,
                        workload.Cost.Likely
                    )
                );
            }
            else if (!ReleasesReservation(workload.Snapshot, budget))
            {
                jobClaims.Add(new(workload.Snapshot.Rate ?? HourlyCost.Zero, workload.Cost.Settled));
                carriedOver += workload.Cost.AfterWindow;
            }
        }
        var projection = new Projection(budget);
        var minimumExceedsLimit = minimum > Amount.Zero && projection.Total(minimumClaims) > limit;
        var rate = unstoppable.Aggregate(HourlyCost.Zero, (sum, entry) => sum + entry.Rate);
        IReadOnlyList<Claim> reservedMinimum = minimumExceedsLimit ? [] : minimumClaims;
        return new()
        {
            Limit = limit,
            Allowed = limit + limit.Percent(budget.Terms.TolerancePercent),
            Spent = budget.Spent,
            Projection = projection,
            Reserved = projection.Total([.. reservedMinimum, .. jobClaims]) - budget.Spent,
            OverspendBound = bound,
            ImmediateOverspendBound = immediateBound,
            CarriedOver = carriedOver,
            MinimumReplicasCost = minimum,
            MinimumReplicasExceedLimit = minimumExceedsLimit,
            MinimumReplicasClaims = reservedMinimum,
            AllMinimumReplicasClaims = minimumClaims,
            ReleasedClaims = released,
            Ending = ending,
            Unstoppable = new(rate, rate.For(WorkloadCost.Horizon(budget)), unstoppable.Select(entry => entry.Name).ToArray())
            {
                Why = unstoppable.Select(entry => entry.Why).ToArray(),
            },
        };
    }

    /// <summary>
    /// Whether the job's reservation is released: another budget does not let it run, it has had no bound pod for ten minutes, or it waits
    /// in a queue.
    /// </summary>
    public static bool ReleasesReservation(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        workload is { NotCoveredBy: not null, IgnoresSuspension: false, State: WorkloadState.Pending or WorkloadState.Running }
        || workload.State == WorkloadState.Pending
            && (workload.QueuedIn is not null || workload.NoPodSince is { } since && budget.Now - since > WorkloadCost.ReleasesAfter);

    private static string WhyNotSuspendable(WorkloadSnapshot workload) =>
        workload.NotSuspendable
        ?? (
            workload.Exempt ? "exempt"
            : workload.TerminationGrace > WorkloadCost.LongestGrace ? "its pods may take longer than 15 minutes to end"
            : workload.Class == WorkloadClass.Inference ? "inference that keeps running (whenExhausted: MinReplicas)"
            : "interactive"
        );
}
