using Bursar.Core.Decisions;
using Bursar.Core.Money;

namespace Bursar.Core.Scaling;

/// <summary>Decides the scale of a target: what demand asks for, within what is affordable. Pure.</summary>
public static class ScalerDecider
{
    private static readonly TimeSpan ContestRetry = TimeSpan.FromMinutes(5);

    /// <param name="scaler">The snapshot.</param>
    /// <param name="demand">The demand.</param>
    /// <param name="caps">The caps, of which the lowest counts. Minimum replicas are kept regardless.</param>
    public static ScalerDecision Decide(ScalerSnapshot scaler, ScalerDemand demand, IReadOnlyList<ReplicaCap> caps)
    {
        var terms = scaler.Terms;
        var cap = caps.MinBy(limit => limit.Replicas);
        var affordable = cap is null ? (int?)null : Math.Max(cap.Replicas, terms.Min);
        var desired = Math.Min(demand.Desired, affordable ?? int.MaxValue);
        if (desired > scaler.Replicas && caps.Count > 0)
            desired = Math.Min(desired, Math.Max(Math.Max(scaler.Replicas, terms.Min), caps.Min(limit => limit.AtOnce)));
        var memory = DetectContest(scaler, demand.Memory, out var contested);
        var capped = affordable < demand.Wanted;
        var missing =
            capped && scaler.Prices.RateOf(demand.Wanted) is { } whole && scaler.Prices.RateOf(affordable!.Value) is { } part
                ? new HourlyCost(Math.Max(0, whole.NanoPerHour - part.NanoPerHour))
                : (HourlyCost?)null;

        var pause =
            scaler.SuspendedBy is { } budget
                ? (
                    Reasons.SuspendedByBudget,
                    $"Budget {budget} has suspended {scaler.Target}. It is scaled again when that budget resumes it."
                )
            : scaler.ScaledBy is { } contender && contested
                ? (
                    Reasons.Contested,
                    $"{Capitalized(contender)}, and another user or controller keeps setting its maximum; Bursar lowers it again every 5 minutes. {Demanded(demand)}"
                )
            : scaler.ScaledBy is { } autoscaler
                ? (
                    capped ? Reasons.CostCapped : Reasons.CappedThroughAutoscaler,
                    capped
                        ? $"{Capped(scaler, demand, cap!, affordable!.Value, missing)} {Capitalized(autoscaler)}: its maximum is lowered."
                        : $"{Capitalized(autoscaler)}: {(affordable is { } most ? $"the budget covers {most}" : "no budget limits it")}."
                )
            : terms.Triggers.Count == 0 ? (Reasons.NoTriggers, $"It has no triggers, and no other autoscaler scales {scaler.Target}.")
            : scaler.ObserveOnly
                ? (
                    Reasons.Observing,
                    $"The cluster is in observe-only mode: {scaler.Target} stays at {Count(scaler.Replicas)}. {Demanded(demand)}"
                )
            : contested
                ? (
                    Reasons.Contested,
                    $"Another user or controller keeps scaling {scaler.Target}, now to {Count(scaler.Replicas)}; Bursar tries again every 5 minutes. {Demanded(demand)}"
                )
            : ((string Reason, string Sentence)?)null;
        var (reason, sentence) = pause
            ?? (
                capped
                    ? (Reasons.CostCapped, Capped(scaler, demand, cap!, affordable!.Value, missing))
                    : (demand.Reason, Plain(scaler, demand, desired))
            );

        return new()
        {
            At = scaler.Now,
            Replicas = scaler.Replicas,
            Desired = desired,
            Wanted = demand.Wanted,
            Affordable = affordable,
            MissingPerHour = missing,
            Cap = cap,
            IsActive = demand.IsActive,
            Reason = reason,
            Sentence = sentence,
            Triggers = demand.Triggers,
            IsPaused = pause is not null,
            Memory = memory,
            Conditions = Conditions(scaler, demand, cap, capped, reason, sentence, contested),
        };
    }

    /// <summary>
    /// Detects a contest: another actor changed the scale twice in ten minutes. Bursar then retries only every 5 minutes.
    /// </summary>
    private static ScalerMemory DetectContest(ScalerSnapshot scaler, ScalerMemory memory, out bool contested)
    {
        // Nothing contests a target that a budget suspended or another autoscaler scales. The maximum of that autoscaler is watched where
        // it is written.
        if (scaler.SuspendedBy is not null || scaler.ScaledBy is not null)
            memory = memory with { Written = null, Seen = false };
        else if (memory.Written is { } written)
        {
            if (scaler.Replicas == written)
                memory = memory with { Seen = true };
            else if (memory.Seen)
                memory = memory.WithReverted(scaler.Now);
        }
        var recent = memory.Reverted.Where(at => scaler.Now - at <= ScalerMemory.ContestWindow).ToArray();
        contested = recent.Length >= 2 && scaler.Now - recent[^1] < ContestRetry;
        return memory;
    }

    private static ConditionValue[] Conditions(
        ScalerSnapshot scaler,
        ScalerDemand demand,
        ReplicaCap? cap,
        bool capped,
        string reason,
        string sentence,
        bool contested
    )
    {
        var conditions = new List<ConditionValue>
        {
            reason == Reasons.NoTriggers ? new(ConditionTypes.Ready, false, reason, sentence)
            : scaler.BudgetProblem is { } problem
                ? new(ConditionTypes.Ready, false, Reasons.BudgetNotFound, $"{Capitalized(problem)}: no replicas are added.")
            : demand.Error is { } error && scaler.ScaledBy is null
                ? new(
                    ConditionTypes.Ready,
                    false,
                    Reasons.MetricsUnavailable,
                    $"{scaler.Target} stays at {Count(scaler.Replicas)} or more: {error}."
                )
            : new(ConditionTypes.Ready, reason == Reasons.AwaitingMetrics ? null : true, reason, sentence),
            new(
                ConditionTypes.Active,
                demand.IsActive,
                demand.IsActive ? "TriggerActive" : "NoTriggerActive",
                demand.IsActive ? "At least one trigger is active." : "No trigger is active."
            ),
            capped
                ? new(ConditionTypes.Affordable, false, Reasons.CostCapped, sentence)
                : new(
                    ConditionTypes.Affordable,
                    true,
                    cap is null ? "NoCap" : "WithinCap",
                    cap is null ? "No budget and no costCap limits it." : $"{Capitalized(cap.Why)}."
                ),
            demand.Triggers.FirstOrDefault(trigger => trigger.FellBack) is { } fallen
                ? new(ConditionTypes.Fallback, true, Reasons.FallbackActive, $"{fallen.Name} fails ({fallen.Error}): the fallback applies.")
                : new(ConditionTypes.Fallback, false, "NoFallback", "No trigger falls back."),
        };
        if (contested)
            conditions.Add(new(ConditionTypes.Contested, true, Reasons.Contested, sentence));
        return [.. conditions];
    }

    private static string Capped(ScalerSnapshot scaler, ScalerDemand demand, ReplicaCap cap, int affordable, HourlyCost? missing)
    {
        var gap = demand.Wanted - affordable;
        var price = missing is { } more
            ? $"the {(gap == 1 ? "missing one" : $"{gap} missing")} would cost {more} {scaler.Currency}/h more"
            : $"what the {(gap == 1 ? "missing one" : $"{gap} missing")} would cost is not known";
        return $"Demand asks for {Count(demand.Wanted)} of {scaler.Target} ({demand.Why}), the budget covers {affordable}: {cap.Why}; {price}.";
    }

    private static string Plain(ScalerSnapshot scaler, ScalerDemand demand, int desired) =>
        desired == scaler.Replicas
            ? $"{scaler.Target} stays at {Count(desired)}: {demand.Why}."
            : $"{scaler.Target} goes from {scaler.Replicas} to {Count(desired)}: {demand.Why}.";

    private static string Demanded(ScalerDemand demand) => $"Demand asks for {Count(demand.Wanted)} ({demand.Why}).";

    private static string Count(int replicas) => replicas == 1 ? "1 replica" : $"{replicas} replicas";

    private static string Capitalized(string text) => char.ToUpperInvariant(text[0]) + text[1..];
}
