using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The sums of one evaluation, before any rule has acted.</summary>
public sealed record BudgetTotals
{
    public required Amount Limit { get; init; }

    /// <summary>The limit with the budget's tolerance: what forecast and limit are tested against.</summary>
    public required Amount Allowed { get; init; }

    public required Amount Spent { get; init; }

    /// <summary>What running and admitted work still costs in this window, as far as its estimates are trusted.</summary>
    public required Amount Reserved { get; init; }

    /// <summary>
    /// Spent and reserved: the sum of the forecast test. It is not the projection (<see cref="Outlook"/>), in which everything that runs
    /// counts.
    /// </summary>
    public Amount Planned => Spent + Reserved;

    public required Amount OverspendBound { get; init; }

    /// <summary>The same where nobody is waited for.</summary>
    public required Amount SharpBound { get; init; }

    public required Amount CarriedOver { get; init; }

    public required Unstoppable Unstoppable { get; init; }

    /// <summary>What inference that stays come what may costs to the window's end.</summary>
    public required Amount MinimumReplicasCost { get; init; }

    /// <summary>The floor alone overruns the limit: it is not reserved, and running work is suspended by the limit test alone.</summary>
    public required bool MinimumReplicasExceedLimit { get; init; }

    /// <summary>The floor's claims, where they are reserved.</summary>
    public required IReadOnlyList<Claim> MinimumReplicasClaims { get; init; }

    /// <summary>The floor's claims, reserved or not: a limit that is named as enough must hold them.</summary>
    public required IReadOnlyList<Claim> AllMinimumReplicasClaims { get; init; }

    /// <summary>
    /// The claims of suspended work that is no longer this budget's to hold. It resumes at once, whatever it costs, and others may have to
    /// make way.
    /// </summary>
    public required IReadOnlyList<Claim> ReleasedClaims { get; init; }

    /// <summary>What work that is being stopped may still cost: a resume must not spend it a second time.</summary>
    public required Amount Ending { get; init; }

    /// <summary>
    /// The part of the limit that neither past spending nor the floor takes. Estimates have no part in it: it rises only when somebody
    /// raises the limit, corrects a price or a record, or takes work out of the budget.
    /// </summary>
    public Amount Available => Limit - Spent - MinimumReplicasCost;

    /// <summary>The amount spent plus the claims.</summary>
    public required Projection Projection { get; init; }

    public static BudgetTotals Of(BudgetSnapshot budget, Amount limit, IReadOnlyList<CostedWorkload> work)
    {
        Amount floor = Amount.Zero,
            carried = Amount.Zero,
            bound = Amount.Zero,
            sharp = Amount.Zero,
            ending = Amount.Zero;
        List<Claim> floorClaims = [],
            jobClaims = [],
            released = [];
        var unstoppable = new List<(string Name, HourlyCost Rate, string Why)>();
        foreach (var item in work)
        {
            var burns = item.Work.BurnRate > HourlyCost.Zero;
            if (item.Suspendable)
            {
                bound += item.Cost.StopCost;
                sharp += item.Cost.SharpStopCost;
            }
            else if (burns || item.Work is { IsUnreadable: true, State: WorkloadState.Running or WorkloadState.Pending })
            {
                // What a scaler holds above its floor is given up at once; the floor stays.
                var elastic = AffordableRate.ElasticStopCost(item.Work, budget);
                bound += elastic;
                sharp += elastic;
                var stays = elastic > Amount.Zero ? item.Work.MinReplicasRate!.Value : item.Work.BurnRate;
                if (stays > HourlyCost.Zero || item.Work.IsUnreadable)
                    unstoppable.Add(($"{item.Work.Key.Kind}/{item.Work.Key.Name}", stays, WhyNotSuspendable(item.Work)));
            }

            if (
                item.Work is { State: WorkloadState.SuspendedByBudget, Suspension: not null, Rate: { } rates }
                && ResumeRule.IsNoLongerHeld(item.Work, budget)
            )
                released.Add(
                    new(rates, item.Work.Class == WorkloadClass.Training ? item.Cost.Likely : rates.For(WorkloadCost.Horizon(budget)))
                );
            if (item.Work.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther)
                ending += item.Cost.StopCost;
            else if (item.Work.Class == WorkloadClass.Inference)
            {
                floor += item.Cost.Likely;
                floorClaims.Add(
                    new(
                        AffordableRate.IsElastic(item.Work) ? item.Work.MinReplicasRate!.Value : item.Work.Rate ?? HourlyCost.Zero,
                        item.Cost.Likely
                    )
                );
            }
            else if (!ReleasesReservation(item.Work, budget))
            {
                jobClaims.Add(new(item.Work.Rate ?? HourlyCost.Zero, item.Cost.Settled));
                carried += item.Cost.AfterWindow;
            }
        }
        var projection = new Projection(budget);
        var floorExceedsLimit = floor > Amount.Zero && projection.Of(floorClaims) > limit;
        var rate = unstoppable.Aggregate(HourlyCost.Zero, (sum, u) => sum + u.Rate);
        IReadOnlyList<Claim> reservedFloor = floorExceedsLimit ? [] : floorClaims;
        return new()
        {
            Limit = limit,
            Allowed = limit + limit.Percent(budget.Terms.TolerancePercent),
            Spent = budget.Spent,
            Projection = projection,
            Reserved = projection.Of([.. reservedFloor, .. jobClaims]) - budget.Spent,
            OverspendBound = bound,
            SharpBound = sharp,
            CarriedOver = carried,
            MinimumReplicasCost = floor,
            MinimumReplicasExceedLimit = floorExceedsLimit,
            MinimumReplicasClaims = reservedFloor,
            AllMinimumReplicasClaims = floorClaims,
            ReleasedClaims = released,
            Ending = ending,
            Unstoppable = new(rate, rate.For(WorkloadCost.Horizon(budget)), unstoppable.Select(u => u.Name).ToArray())
            {
                Why = unstoppable.Select(u => u.Why).ToArray(),
            },
        };
    }

    /// <summary>A job without a bound pod for ten minutes lends its reservation to others; one that waits in a queue has none.</summary>
    public static bool ReleasesReservation(WorkloadSnapshot work, BudgetSnapshot budget) =>
        work.State == WorkloadState.Pending
        && (work.QueuedIn is not null || work.NoPodSince is { } since && budget.Now - since > WorkloadCost.ReleasesAfter);

    private static string WhyNotSuspendable(WorkloadSnapshot work) =>
        work.NotSuspendable
        ?? (
            work.Exempt ? "exempt"
            : work.TerminationGrace > WorkloadCost.LongestGrace ? "its pods may take longer than 15 minutes to end"
            : work.Class == WorkloadClass.Inference ? "inference that keeps running (whenExhausted: MinReplicas)"
            : "interactive"
        );
}
